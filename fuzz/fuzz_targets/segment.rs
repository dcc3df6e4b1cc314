#![no_main]

libfuzzer_sys::fuzz_target!(
    init: {
        // The decoder's panics are caught and accepted; without this each would end the fuzzer.
        std::panic::set_hook(Box::new(|_| ()));
    },
    |data: &[u8]| snapback_fuzz::checks::segment::check(data)
);
