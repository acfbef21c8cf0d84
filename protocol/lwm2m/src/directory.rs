//! Who lives where: endpoint names, locations and addresses, and what a datagram from an unknown address means.
