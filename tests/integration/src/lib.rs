//! Behaviour of the whole hub, as its users see it: the tests beside this file start the real binary and look at what arrives.
