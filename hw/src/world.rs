//! What the simulated devices live in: true time, which passes when something is waited for, and the weather.

/// The surroundings of a simulated device. A simulated box has one, which its clocks, its RTC and its DAC share.
pub trait World: Send + Sync {
    /// True UTC now, in ns since the Unix epoch.
    fn true_ns(&self) -> i64;

    /// Lets time pass, for what takes its time: a transfer on the bus, a thread put aside.
    fn spend(&self, ns: i64);

    /// The temperature at the box now, in degrees Celsius.
    fn temperature_c(&self) -> f64;
}
