//! How much the verifier has to walk through, so that growth is seen.

use crate::harness::Xdp;

/// Instructions that each program may take the verifier. The kernel's own limit is a million. Raise a number here in the
/// commit that needs it, knowing why.
const MOST: [(&str, u32); 4] = [
    // One record after the other is looked for in the table of refreshes, and each look-up is a branch.
    ("igmp_router", 270_000),
    ("igmp_egress", 400),
    ("igmp_forward", 32_000),
    ("igmp_control", 600),
];

#[test]
fn verified_instructions() {
    let xdp = Xdp::new();
    let counted = xdp.kernel.verified_instructions().expect("the kernel tells");
    for ((program, count), (expected, most)) in counted.into_iter().zip(MOST) {
        assert_eq!(program, expected);
        println!("{program}: {count} instructions verified, {most} allowed");
        assert!(count > 0, "the kernel does not count");
        assert!(
            count <= most,
            "{program} has grown to {count} verified instructions, {most} are allowed"
        );
        assert!(
            count * 4 > most,
            "{program} has shrunk to {count} verified instructions; lower its limit"
        );
    }
}
