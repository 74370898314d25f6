//! The chip by its bytes: recognised without a change, signed once, cut at any byte.

use std::sync::{Arc, Mutex};

use embedded_hal::i2c::{ErrorType, I2c, Operation};
use jaudiosync_time::{Instant, Raw, Span, True, Utc};
use proptest::prelude::*;

use super::recognition::SIGNATURE_PAGE;
use super::*;
use crate::clocks::{Clocks, SimulatedClocks};
use crate::world::World;

/// True time is the raw time of these clocks.
#[derive(Default)]
struct Desk(SimulatedClocks);

impl World for Desk {
    fn true_time(&self) -> Instant<True> {
        Instant::from_ns(self.0.raw().ns())
    }

    fn spend(&self, span: Span) {
        self.0.advance(span);
    }

    fn temperature_c(&self) -> f64 {
        21.0
    }
}

impl Clocks for Desk {
    fn raw(&self) -> Instant<Raw> {
        self.0.raw()
    }

    fn system_utc(&self) -> Instant<Utc> {
        self.0.system_utc()
    }

    fn sleep_until(&self, due: Instant<Raw>) {
        self.0.sleep_until(due);
    }
}

struct Bench {
    desk: Arc<Desk>,
    bus: SimulatedEeprom,
    chip: SimulatedEepromHandle,
}

impl Bench {
    fn new(memory: Memory) -> Self {
        let desk = Arc::new(Desk::default());
        let (bus, chip) = SimulatedEeprom::new(desk.clone(), memory, 1);
        Self { desk, bus, chip }
    }

    fn open(&self, adoption: Adoption) -> Result<At24c32<SimulatedEeprom>, EepromError> {
        open_on(self.bus.clone(), adoption, self.desk.as_ref())
    }

    fn wait(&self) {
        self.desk.spend(Span::from_ms(WRITE_CYCLE_MS));
    }
}

#[test]
fn an_empty_chip_is_signed_only_where_that_is_allowed_and_then_known_by_one_read() {
    let bench = Bench::new(Memory::AT24C32);
    assert_eq!(bench.open(Adoption::Refused).err(), Some(EepromError::Empty));
    assert_eq!(bench.chip.contents(), [0xFF; 4096]);
    bench.open(Adoption::Allowed).unwrap();
    let contents = bench.chip.contents();
    assert_eq!(contents[..32], SIGNATURE_PAGE);
    assert!(contents[32..].iter().all(|value| *value == 0xFF));
    bench.chip.power_on();
    let before = bench.chip.transfers();
    bench.open(Adoption::Refused).unwrap();
    assert_eq!(bench.chip.transfers() - before, 2, "a read of the signature, and back to the beginning");
    assert_eq!(bench.chip.pages_written(), 1);
}

#[test]
fn a_chip_of_ours_is_known_wherever_it_continues_to_read() {
    let bench = Bench::new(Memory::AT24C32);
    bench.open(Adoption::Allowed).unwrap();
    for place in (0..4096).step_by(7).chain([1, 31, 32, 4095]) {
        bench.chip.set_place(place);
        assert!(bench.open(Adoption::Refused).is_ok(), "at {place}");
    }
    assert_eq!(bench.chip.pages_written(), 1);
}

#[test]
fn a_smaller_chip_is_left_as_it_was_empty_or_not() {
    for memory in [Memory::AT24C02, Memory::AT24C16] {
        let bench = Bench::new(memory);
        let before = bench.chip.contents();
        let refused = bench.open(Adoption::Allowed).err();
        assert_eq!(refused, Some(EepromError::LeftAlone("it is smaller than an AT24C32")), "{memory:?}");
        bench.wait();
        assert_eq!(bench.chip.contents(), before, "{memory:?}");
        for contents in [vec![0x17], vec![0x42; 32], (0..=255).collect(), vec![0; 2048]] {
            let bench = Bench::new(memory);
            bench.chip.program(&contents);
            let before = bench.chip.contents();
            assert!(matches!(bench.open(Adoption::Allowed).err(), Some(EepromError::LeftAlone(_))), "{memory:?}");
            assert_eq!((bench.chip.contents(), bench.chip.pages_written()), (before, 0), "{memory:?}");
        }
    }
}

#[test]
fn without_a_chip_there_is_none() {
    let bench = Bench::new(Memory::AT24C32);
    bench.chip.cut_power();
    assert_eq!(bench.open(Adoption::Allowed).err(), Some(EepromError::Absent));
}

#[test]
fn a_signature_that_a_power_cut_has_left_half_written_is_written_again() {
    let mut half_written = 0;
    for cut in 0..4000 {
        let bench = Bench::new(Memory::AT24C32);
        bench.chip.cut_power_after(cut);
        let was_cut = bench.open(Adoption::Allowed).is_err();
        bench.wait();
        let first_page = &bench.chip.contents()[..32];
        half_written += usize::from(first_page != SIGNATURE_PAGE && first_page != [0xFF; 32]);
        bench.chip.power_on();
        bench.open(Adoption::Allowed).unwrap_or_else(|error| panic!("after a cut at {cut}: {error}"));
        assert_eq!(bench.chip.contents()[..32], SIGNATURE_PAGE);
        if !was_cut {
            return assert!(half_written > 0 && cut > 30, "{half_written} of {cut}");
        }
    }
    panic!("the signature was never written");
}

#[test]
fn what_is_written_is_read_again_once_the_chip_has_written_it() {
    let bench = Bench::new(Memory::AT24C32);
    let mut chip = bench.open(Adoption::Allowed).unwrap();
    let bytes: Vec<u8> = (0..100).collect();
    for (at, piece) in pieces(STATE_SLOTS[0].start + 20, &bytes) {
        chip.write(at, piece).unwrap();
        assert_eq!(chip.read(at, &mut [0]), Err(EepromError::Busy));
        bench.wait();
    }
    let mut read = [0; 100];
    chip.read(STATE_SLOTS[0].start + 20, &mut read).unwrap();
    assert_eq!(read[..], bytes);
    for (at, length) in [(31, 2), (0, 33), (4095, 2), (4096, 1)] {
        assert_eq!(chip.write(at, &vec![0; length]), Err(EepromError::OutOfRange(length, at)));
    }
    assert_eq!(chip.read(4090, &mut [0; 7]), Err(EepromError::OutOfRange(7, 4090)));
}

#[test]
fn the_parts_lie_in_the_chip_and_not_in_one_another() {
    let parts = [SIGNATURE, STATE_SLOTS[0].clone(), STATE_SLOTS[1].clone(), RECORDER];
    assert!(parts.iter().all(|part| part.start % PAGE_BYTES == 0 && part.end % PAGE_BYTES == 0));
    assert!(parts.windows(2).all(|pair| pair[0].end <= pair[1].start) && RECORDER.end == CAPACITY_BYTES);
}

/// A chip with registers, as a pulse oximeter or an ultrasonic sensor is. Each read continues where
/// the last one ended; behind its values it shows the last one for ever.
#[derive(Clone)]
struct Registers {
    values: &'static [u8],
    register: usize,
    written: Arc<Mutex<Vec<u8>>>,
}

impl ErrorType for Registers {
    type Error = SimulatedEepromBusError;
}

impl I2c for Registers {
    fn transaction(&mut self, _: u8, operations: &mut [Operation<'_>]) -> Result<(), SimulatedEepromBusError> {
        for operation in operations {
            match operation {
                Operation::Read(values) => values.iter_mut().for_each(|value| {
                    *value = self.values[self.register];
                    self.register = (self.register + 1).min(self.values.len() - 1);
                }),
                Operation::Write(bytes) => self.written.lock().unwrap().extend(bytes.iter()),
            }
        }
        Ok(())
    }
}

#[test]
fn nothing_is_written_to_a_chip_with_registers() {
    let half_a_signature = b"\x4a\xff\xff\xff";
    for values in [&[0x41, 0, 3, 0, 0, 0, 0, 0][..], &[1, 2, 3, 0xFF], half_a_signature, &[0], &[0x11]] {
        let chip = Registers { values, register: 0, written: Arc::default() };
        let refused = open_on(chip.clone(), Adoption::Allowed, &SimulatedClocks::default()).err();
        assert!(matches!(refused, Some(EepromError::LeftAlone(_))), "{values:?}: {refused:?}");
        assert!(chip.written.lock().unwrap().is_empty(), "{values:?}");
    }
}

#[test]
fn nothing_is_sent_to_a_chip_that_shows_ones_where_it_may_not_be_adopted() {
    let chip = Registers { values: &[0xFF], register: 0, written: Arc::default() };
    let refused = open_on(chip.clone(), Adoption::Refused, &SimulatedClocks::default()).err();
    assert_eq!(refused, Some(EepromError::Empty));
    assert!(chip.written.lock().unwrap().is_empty());
}

#[test]
fn the_bus_of_the_hats_eeprom_is_never_opened() {
    let refused = open("/dev/i2c-0".as_ref(), Adoption::Allowed, &SimulatedClocks::default()).err();
    assert!(matches!(refused, Some(EepromError::LeftAlone(_))), "{refused:?}");
}

proptest! {
    #[test]
    fn a_chip_with_other_contents_is_left_as_it_was(
        contents in prop::collection::vec(any::<u8>(), 1..4096),
        size in prop::sample::select(vec![Memory::AT24C32, Memory::AT24C02, Memory::AT24C16]),
        place in 0..256_usize,
    ) {
        let bench = Bench::new(size);
        bench.chip.program(&contents);
        bench.chip.set_place(place);
        let before = bench.chip.contents();
        let is_empty = before.iter().all(|value| *value == 0xFF);
        prop_assume!(!is_empty);
        let refused = bench.open(Adoption::Allowed).err();
        prop_assert!(matches!(refused, Some(EepromError::LeftAlone(_))), "{:?}", refused);
        prop_assert_eq!((bench.chip.contents(), bench.chip.pages_written()), (before, 0));
    }

    #[test]
    fn pieces_cover_everything_and_stay_within_their_pages(at in 0..4000_u16, bytes in prop::collection::vec(any::<u8>(), 0..96)) {
        let mut next = at;
        let mut covered = Vec::new();
        for (at, piece) in pieces(at, &bytes) {
            prop_assert_eq!(at, next);
            prop_assert!(usize::from(at % PAGE_BYTES) + piece.len() <= usize::from(PAGE_BYTES));
            next += piece.len() as u16;
            covered.extend_from_slice(piece);
        }
        prop_assert_eq!(covered, bytes);
    }
}
