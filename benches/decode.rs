//! Decoding and resampling, in multiples of real time: `cargo bench --bench decode`. The throughput
//! that criterion prints in elements is seconds of sound in a second of processor time: 300 elem/s
//! are 300 times real time.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "support/processor_time.rs"]
mod processor_time;

use std::path::Path;

use criterion::measurement::WallTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jaudiosync::player::decoder::{Decoder, Mix};
use jaudiosync::player::library::{FrameSource, TrackSource};
use jaudiosync::player::resampler::Resampler;
use jaudiosync::player::ring::BLOCK_FRAMES;
use processor_time::ProcessorTime;

const SECONDS: usize = 10;
const DEVICE_RATE_HZ: u32 = 48_000;

fn decode_and_resample(criterion: &mut Criterion<ProcessorTime>) {
    let mut group = criterion.benchmark_group("ten seconds");
    group.throughput(Throughput::Elements(SECONDS as u64)).sample_size(20);
    for name in ["01 Chain and Sprocket.mp3", "03 Critical Mass.mp3"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Music").join(name);
        for mix in [Mix::Stereo, Mix::Mono] {
            let mut decoder = Decoder::open(&path, mix).unwrap();
            let mut samples = vec![0.0; decoder.rate_hz() as usize * SECONDS * decoder.channels()];
            group.bench_function(format!("decode {name}, {mix:?}"), |bencher| {
                bencher.iter(|| {
                    decoder.seek(0).unwrap();
                    decoder.read(&mut samples).unwrap();
                });
            });
            let mut resampler = Resampler::new(decoder.rate_hz(), DEVICE_RATE_HZ, decoder.channels());
            group.bench_function(format!("decode and resample {name}, {mix:?}"), |bencher| {
                bencher.iter(|| {
                    resampler.start_at(0.0, &mut decoder).unwrap();
                    for _ in 0..DEVICE_RATE_HZ as usize * SECONDS / BLOCK_FRAMES {
                        resampler.next_block(1.0001, &mut decoder).unwrap();
                    }
                });
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(ProcessorTime(WallTime));
    targets = decode_and_resample
}
criterion_main!(benches);
