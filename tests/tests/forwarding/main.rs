//! Multicast data through the router: who gets it, who does not, and what it looks like when it arrives.
//!
//! Every packet is numbered. What is expected follows from the numbers that were sent and from who joined, and never from
//! what the router says.

/// Makes a test of a function for each way that data can take.
macro_rules! on_datapaths {
    ($function:ident: $($test:ident $datapath:ident),+ $(,)?) => {
        mod $function {
            $(
                #[test]
                fn $test() {
                    super::$function(tests::stream::Datapath::$datapath);
                }
            )+
        }
    };
}

mod churn;
mod common;
mod delivery;
mod drops;
mod engines;
mod harness;
mod leaves;
mod limits;
mod links;
mod local;
mod packets;
mod proxy;
mod restart;
mod rpf;
mod show;
mod switches;
mod topologies;
mod vlans;
