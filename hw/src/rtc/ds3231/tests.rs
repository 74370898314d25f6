//! Every access to a register, byte by byte.

use super::*;

use embedded_hal::i2c::NoAcknowledgeSource;
use embedded_hal_mock::eh1::i2c::{Mock, Transaction};

fn read(register: u8, values: &[u8]) -> Transaction {
    Transaction::write_read(0x68, vec![register], values.to_vec())
}

fn write(bytes: &[u8]) -> Transaction {
    Transaction::write(0x68, bytes.to_vec())
}

/// Runs `act` on a chip whose bus sees exactly these transfers.
fn on_the_bus<T>(transfers: &[Transaction], act: impl FnOnce(&mut Ds3231<Mock>) -> T) -> T {
    let mut chip = Ds3231::recognized(Mock::new(transfers), Chip::Ds3231, true);
    let result = act(&mut chip);
    chip.release().done();
    result
}

#[test]
fn the_time_is_read_in_one_transfer() {
    let transfers = [read(0x00, &[0x59, 0x08, 0x17, 7, 0x10, 0x02, 0x24])];
    assert_eq!(on_the_bus(&transfers, Rtc::read_time), Ok(RtcTime::Valid { rtc_s: 1_707_584_939 }));
}

#[test]
fn an_invalid_time_is_reported_with_its_registers() {
    let registers = [0x59, 0x08, 0x17, 7, 0x30, 0x02, 0x24];
    assert_eq!(on_the_bus(&[read(0x00, &registers)], Rtc::read_time), Ok(RtcTime::Invalid { registers }));
}

#[test]
fn the_second_is_read_alone() {
    assert_eq!(on_the_bus(&[read(0x00, &[0x42])], Rtc::read_second), Ok(42));
    let error = on_the_bus(&[read(0x00, &[0x60])], Rtc::read_second).unwrap_err();
    assert_eq!(error, RtcError::BadRegister { register: 0, value: 0x60 });
}

#[test]
fn the_status_is_read_in_one_transfer() {
    let registers = [0xDE, 0xAD, 0xBE, 0xEF, 1, 2, 3, 0x1C, 0x88, 0xFE, 0x19, 0x40];
    let expected = RtcStatus {
        oscillator_stopped: true,
        temperature_c: 25.25,
        aging_offset: -2,
        mark: ChipMark([0xDE, 0xAD, 0xBE, 0xEF]),
        stamp: ChipStamp([0x01, 0x02, 0x03]),
    };
    assert_eq!(on_the_bus(&[read(0x07, &registers)], Rtc::read_status), Ok(expected));
}

#[test]
fn a_temperature_below_zero_is_understood() {
    let registers = [0, 0, 0, 0, 0, 0, 0, 0x1C, 0x08, 0, 0xF5, 0xC0];
    let status = on_the_bus(&[read(0x07, &registers)], Rtc::read_status).unwrap();
    assert_eq!((status.temperature_c, status.oscillator_stopped), (-10.25, false));
}

#[test]
fn the_time_is_written_in_one_transfer_and_only_the_stop_flag_is_cleared() {
    let transfers = [
        write(&[0x00, 0x59, 0x08, 0x17, 7, 0x10, 0x02, 0x24]),
        read(0x0E, &[0x1C, 0x88]),
        // The 32 kHz output stays as it was; a 1 leaves an alarm's flag alone.
        write(&[0x0F, 0x0B]),
    ];
    assert_eq!(on_the_bus(&transfers, |chip| chip.set_time(1_707_584_939)), Ok(()));
}

#[test]
fn mark_and_stamp_are_written_with_the_time_or_the_stamp_alone() {
    let transfers = [
        write(&[0x00, 0x59, 0x08, 0x17, 7, 0x10, 0x02, 0x24, 0xDE, 0xAD, 0xBE, 0xEF, 1, 2, 3]),
        read(0x0E, &[0x1C, 0x08]),
        write(&[0x0B, 4, 5, 6]),
    ];
    let both = |chip: &mut Ds3231<Mock>| {
        chip.set_time_with(1_707_584_939, ChipMark([0xDE, 0xAD, 0xBE, 0xEF]), ChipStamp([1, 2, 3]))?;
        chip.write_stamp(ChipStamp([4, 5, 6]))
    };
    assert_eq!(on_the_bus(&transfers, both), Ok(()));
}

#[test]
fn a_32_khz_output_that_is_off_stays_off() {
    let transfers =
        [write(&[0x00, 0x59, 0x08, 0x17, 7, 0x10, 0x02, 0x24]), read(0x0E, &[0x1C, 0x85]), write(&[0x0F, 0x03])];
    assert_eq!(on_the_bus(&transfers, |chip| chip.set_time(1_707_584_939)), Ok(()));
}

#[test]
fn nothing_more_is_written_to_a_clock_that_runs() {
    let transfers = [write(&[0x00, 0, 0, 0, 6, 0x01, 0x81, 0x00]), read(0x0E, &[0x00, 0x08])];
    assert_eq!(on_the_bus(&transfers, |chip| chip.set_time(4_102_444_800)), Ok(()));
}

#[test]
fn an_oscillator_that_would_stop_on_battery_is_enabled() {
    let transfers = [
        write(&[0x00, 0x59, 0x08, 0x17, 7, 0x10, 0x02, 0x24]),
        // A conversion in progress (0x20) is not commanded again.
        read(0x0E, &[0xF8, 0x08]),
        write(&[0x0E, 0x58]),
    ];
    assert_eq!(on_the_bus(&transfers, |chip| chip.set_time(1_707_584_939)), Ok(()));
}

#[test]
fn a_year_that_cannot_be_shown_never_reaches_the_bus() {
    assert_eq!(on_the_bus(&[], |chip| chip.set_time(946_684_799)), Err(RtcError::YearOutOfRange));
    assert_eq!(on_the_bus(&[], |chip| chip.set_time(i64::MAX)), Err(RtcError::YearOutOfRange));
}

#[test]
fn the_mark_lies_in_alarm_1() {
    let transfers = [write(&[0x07, 1, 2, 0xFE, 0xFF])];
    assert_eq!(on_the_bus(&transfers, |chip| chip.write_mark(ChipMark([1, 2, 0xFE, 0xFF]))), Ok(()));
}

#[test]
fn the_1_hz_output_is_three_bits_of_the_control_register() {
    let on = |chip: &mut Ds3231<Mock>| chip.enable_1hz_output(true);
    let off = |chip: &mut Ds3231<Mock>| chip.enable_1hz_output(false);
    assert_eq!(on_the_bus(&[read(0x0E, &[0x1C]), write(&[0x0E, 0x00])], on), Ok(()));
    assert_eq!(on_the_bus(&[read(0x0E, &[0x5F]), write(&[0x0E, 0x43])], on), Ok(()));
    assert_eq!(on_the_bus(&[read(0x0E, &[0x40])], on), Ok(()), "it is on");
    assert_eq!(on_the_bus(&[read(0x0E, &[0x40]), write(&[0x0E, 0x44])], off), Ok(()));
}

#[test]
fn a_chip_of_someone_else_is_read_but_never_written() {
    let mut chip = Ds3231::recognized(Mock::new(&[read(0x00, &[0x07])]), Chip::Ds3231, false);
    assert!(!chip.is_writable());
    assert_eq!(chip.read_second(), Ok(7));
    assert_eq!(chip.set_time(1_707_584_939), Err(RtcError::NotWritable));
    assert_eq!(chip.write_mark(ChipMark([0; 4])), Err(RtcError::NotWritable));
    assert_eq!(chip.write_stamp(ChipStamp::default()), Err(RtcError::NotWritable));
    let (mark, stamp) = (ChipMark([0; 4]), ChipStamp::default());
    assert_eq!(chip.set_time_with(1_707_584_939, mark, stamp), Err(RtcError::NotWritable));
    assert_eq!(chip.enable_1hz_output(true), Err(RtcError::NotWritable));
    chip.release().done();
}

#[test]
fn a_chip_that_does_not_acknowledge_is_distinguished_from_a_bus_that_fails() {
    let unanswered = ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address);
    let error = |kind| on_the_bus(&[read(0x00, &[0]).with_error(kind)], Rtc::read_second).unwrap_err();
    assert_eq!(error(unanswered), RtcError::NoAnswer);
    assert!(matches!(error(ErrorKind::Bus), RtcError::Bus(_)));
    assert!(matches!(error(ErrorKind::ArbitrationLoss), RtcError::Bus(_)));
}

#[test]
fn the_ds323x_crate_writes_the_same_time() {
    use ds323x::{DateTimeAccess, Ds323x};
    for rtc_s in [946_684_800, 1_707_584_939, 1_709_251_199, 4_102_444_799, 4_102_444_800] {
        let [s, m, h, weekday, day, month, year] = encode_time(rtc_s).unwrap();
        let transfers = [write(&[0x00, s, m, h, weekday, day, month, year])];
        let mut oracle = Ds323x::new_ds3231(Mock::new(&transfers));
        oracle.set_datetime(&chrono::DateTime::from_timestamp(rtc_s, 0).unwrap().naive_utc()).unwrap();
        oracle.destroy_ds3231().done();
    }
}
