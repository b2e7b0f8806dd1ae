#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| igmp_fuzz::pim(bytes));
