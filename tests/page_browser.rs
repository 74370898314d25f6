//! The page in a browser: headless Chromium, on real boxes on the virtual air. Skipped, with a word,
//! where there is no Chromium (`scripts/setup --browser`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../measure/tests/virtual_air/rights.rs"]
mod rights;
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jaudiosync::control::protocol::PlayState;
use jaudiosync::ride_key::RideKey;
use jaudiosync_measure::air::{AirModel, Station};
use serde_json::json;
use support::browser::{Browser, chromium};
use support::neighbours::{MadeRtc, Neighbours};
use support::sweeps::{Late, recording, wav};
use support::{Sandbox, Signal};

/// By how much the RTCs are ahead, in ms, and how much they gain, in ppm.
const RTCS: [(f64, f64); 4] = [(-1.5, -0.5), (1.5, 0.5), (0.6, 0.2), (-1.0, -0.3)];
/// Boxes that agree are heard within this.
const AGREED_MS: f64 = 0.1;
/// A box that is switched off is shown as off within this.
const SHOWN_WITHIN: Duration = Duration::from_secs(5);

/// What boxes with a page have in their configuration.
const PAGE: &str = "[page]\nlisten = \"0.0.0.0:80\"\n";

/// Returns axe-core, or says that it is missing.
fn axe() -> Option<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/axe-core/axe.min.js");
    let found = std::fs::read_to_string(file).ok();
    if found.is_none() {
        eprintln!("skipped: there is no axe-core (scripts/setup --browser)");
    }
    found
}

/// One ride at a time: two would disturb each other.
static TURN: Mutex<()> = Mutex::new(());

/// A ride of four boxes that wait for a start, and a phone with a browser.
struct Ride {
    boxes: Neighbours,
    phone: Station,
    program: PathBuf,
    page: String,
    pin: String,
    _turn: MutexGuard<'static, ()>,
}

impl Ride {
    fn new() -> Option<Self> {
        Self::with(|_| {})
    }

    /// Does the same, with other music.
    fn with(music: impl FnOnce(&Sandbox)) -> Option<Self> {
        let program = chromium()?;
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let air = rights::start(AirModel::hotspot())?;
        let phone = air.station("phone").unwrap();
        let mut boxes = Neighbours::new(air, RTCS.len());
        music(&boxes.sandbox);
        for (number, (offset_ms, rate_ppm)) in RTCS.into_iter().enumerate() {
            boxes.switch_on_with(number, &MadeRtc::never_compared(offset_ms, rate_ppm), false, PAGE);
        }
        let page = format!("http://{}/", boxes.address(0));
        let pin = boxes.key().parse::<RideKey>().unwrap().pin();
        Some(Self { boxes, phone, program, page, pin, _turn: turn })
    }

    fn browser(&self, language: &str) -> Browser {
        let mut browser = Browser::start(&self.program, language, || self.phone.command("sh"));
        browser.look(390, 844, "light");
        browser.open(&self.page);
        browser.wait_until("document.querySelectorAll('.box').length > 0");
        browser
    }

    /// Has the phone send a recording in which the boxes are this late, in ms.
    fn send_recording(&self, browser: &mut Browser, late_ms: [f64; RTCS.len()]) {
        let number = |index: usize| self.boxes.boxes[&index].status().play.box_number.unwrap();
        let numbers = || (0..RTCS.len()).map(number).collect::<BTreeSet<_>>();
        self.boxes.boxes[&0].wait_until("numbers of their own", |status| {
            let others = status.ride.iter().flat_map(|ride| &ride.neighbours).filter_map(|other| other.box_number);
            others.chain(status.play.box_number).collect::<BTreeSet<_>>() == numbers() && numbers().len() == RTCS.len()
        });
        let late: Vec<Late> =
            late_ms.into_iter().enumerate().map(|(index, ms)| (number(index), index as u64 + 1, ms)).collect();
        let file = wav(&self.boxes.sandbox, "recording.wav", &[&recording(&late, 65.0, 40.0)]);
        let document = browser.call("DOM.getDocument", json!({}))["root"]["nodeId"].clone();
        let input = browser.call("DOM.querySelector", json!({ "nodeId": document, "selector": "#file" }));
        browser.call("DOM.setFileInputFiles", json!({ "files": [file], "nodeId": input["nodeId"] }));
    }

    /// Gives the PIN in a sheet that is open.
    fn give_pin(&self, browser: &mut Browser) {
        browser.wait_until("document.getElementById('pin').offsetHeight > 0");
        browser.evaluate(&format!("document.getElementById('pin').value = '{}'", self.pin));
        browser.press("#sheet-yes");
    }
}

#[test]
fn start_on_a_phone_is_heard_of_all_boxes_in_the_same_frame_and_a_box_that_is_off_is_shown() {
    let Some(mut ride) = Ride::new() else { return };
    let mut browser = ride.browser("en");
    browser.wait_until("document.querySelectorAll('.box').length === 4");
    // Until they agree on the time, a start would not be in the same frame. Two boxes state ±0.09 ms
    // each.
    browser.wait_until("/^4 boxes are together within 0\\.[0-2]/.test(document.getElementById('together').innerText)");
    for number in ride.boxes.numbers() {
        assert_eq!(ride.boxes.boxes[&number].status().play.state, PlayState::Stopped);
    }

    browser.press("[data-order=start]");
    ride.give_pin(&mut browser);
    browser.wait_until("/all 4 boxes/.test(document.getElementById('result').innerText)");
    println!("{}", browser.text("#result"));
    for number in ride.boxes.numbers() {
        ride.boxes.boxes[&number].wait_until("plays", |status| status.play.state == PlayState::Playing);
    }
    let four = ride.boxes.numbers();
    let agreed = ride.boxes.listen_until_agreed(&four, AGREED_MS, 60.0);
    assert!(agreed.is_some(), "{:#?}", ride.boxes.heard);
    browser.wait_until("/Playing/.test(document.getElementById('state').innerText)");
    let at = "document.getElementById('at').innerText";
    let before = browser.evaluate(at);
    browser.wait_until(&format!("{at} !== {before}"));

    // The volume of all.
    browser.evaluate(
        "var slider = document.querySelector('main > .card .volume input'); slider.value = 30; \
         slider.dispatchEvent(new Event('change'))",
    );
    for number in ride.boxes.numbers() {
        ride.boxes.boxes[&number].wait_until("is that loud", |status| status.volume.percent == 30);
    }

    ride.boxes.cut_power(3);
    let shown = browser.wait_until("document.querySelector('.box.away')");
    println!("a box that was switched off is shown after {shown:?}");
    assert!(shown <= SHOWN_WITHIN, "{shown:?}");
    assert!(browser.text(".box.away").contains("box4"));

    // And the box that serves the page.
    ride.boxes.cut_power(0);
    let shown = browser.wait_until("!document.getElementById('gone').hidden");
    println!("the box of the page is missed after {shown:?}");
    assert!(shown <= SHOWN_WITHIN, "{shown:?}");
    let complaints: Vec<_> = browser.complaints.iter().filter(|words| !words.contains("net::ERR_")).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}

/// What axe-core finds, as text; empty if that is nothing.
const AXE: &str = "axe.run(document, { resultTypes: ['violations'] }).then(function (found) {
    return found.violations.map(function (one) {
        return one.id + ': ' + one.nodes.map(function (node) { return node.html + ' ' + node.failureSummary; }).join('; ');
    }).join('\\n'); })";

/// Targets that are smaller than a thumb in a glove needs.
const SMALL: &str = "[].filter.call(document.querySelectorAll('button, summary, input'), function (node) {
    var box = node.getBoundingClientRect(); return box.width && (box.height < 48 || box.width < 48);
}).map(function (node) { return node.outerHTML; }).join('\\n')";

#[test]
fn everybody_can_use_it_at_any_width_by_day_and_night() {
    let Some(ride) = Ride::new() else { return };
    let mut browser = ride.browser("de-DE");
    browser.wait_until("document.querySelectorAll('.box').length === 4");
    assert_eq!(browser.evaluate("document.documentElement.lang"), "de");
    assert_eq!(browser.text("[data-order=stop]").trim(), "Stopp");
    // A recording, and two boxes that are set by it: the one of the page, and another one.
    ride.send_recording(&mut browser, [2.5, 3.7, 0.0, 0.1]);
    ride.give_pin(&mut browser);
    browser.wait_until("document.querySelectorAll('#heard-rows tr').length === 4");
    println!("{}\n{}", browser.text("#ear-said"), browser.text("#heard-rows"));
    let buttons = "document.querySelectorAll('#heard-rows button').length";
    while let Some(count @ 1..) = browser.evaluate(buttons).as_u64() {
        browser.press("#heard-rows button");
        browser.wait_until(&format!("{buttons} < {count}"));
    }
    let latency_ms = |number: usize| ride.boxes.boxes[&number].status().dac.output_latency_ms;
    ride.boxes.boxes[&1].wait_until("is set", |status| status.dac.output_latency_ms > 3.5);
    ride.boxes.boxes[&0].wait_until("is set", |status| status.dac.output_latency_ms > 2.3);
    println!("set to {:?} ms", [0, 1, 2, 3].map(latency_ms));
    ride.send_recording(&mut browser, [2.5, 3.7, 0.0, 0.2]);
    browser.wait_until("document.querySelectorAll('#heard-rows button').length > 1");
    let axe = axe();
    if let Some(axe) = &axe {
        browser.evaluate(&format!("{axe};1"));
    }
    for (width, scheme) in
        [(320, "light"), (320, "dark"), (390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")]
    {
        browser.look(width, 800, scheme);
        assert_eq!(browser.evaluate("document.documentElement.scrollWidth"), width, "nothing is beside the screen");
        for step in ["as it is opened", "with all details", "with the sheet"] {
            match step {
                "with all details" => {
                    browser.evaluate(
                        "[].forEach.call(document.querySelectorAll('details'), function (one) { one.open = true })",
                    );
                }
                "with the sheet" => browser.press("[data-order=start_fresh]"),
                _ => {}
            }
            assert_eq!(browser.evaluate(SMALL), "", "{width} {scheme} {step}");
            if axe.is_some() {
                assert_eq!(browser.evaluate(AXE), "", "{width} {scheme} {step}");
            }
        }
        // The keyboard closes it, and comes back to where it was.
        for kind in ["keyDown", "keyUp"] {
            browser
                .call("Input.dispatchKeyEvent", json!({ "type": kind, "key": "Escape", "windowsVirtualKeyCode": 27 }));
        }
        browser.wait_until("document.getElementById('shade').hidden");
        browser.evaluate("[].forEach.call(document.querySelectorAll('details'), function (one) { one.open = false })");
    }
    // The QR code carries the PIN behind the #; it goes from the address at once.
    browser.open("about:blank");
    browser.open(&format!("{}#{}", ride.page, ride.pin));
    browser.wait_until("document.getElementById('lock') && document.getElementById('lock').innerText === 'Sperren'");
    assert_eq!(browser.evaluate("location.hash"), "");
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}

/// What comes further down is not shown.
const TALLEST_PX: f64 = 1500.0;

/// A playlist as a ride may have it: titles, and lengths in seconds.
const TRACKS: [(&str, usize); 12] = [
    ("Chain and Sprocket", 214),
    ("Tail Lights", 187),
    ("Critical Mass", 241),
    ("Down the Long Hill", 305),
    ("Cobblestones", 166),
    ("Freewheel", 198),
    ("Bell and Whistle", 229),
    ("The Last Bridge", 276),
    ("Dynamo", 203),
    ("Crosswind", 251),
    ("Left Turn on Green", 174),
    ("Home by Midnight", 322),
];

/// Makes that playlist.
fn make_music(sandbox: &Sandbox) {
    let mut playlist = String::new();
    for (number, (title, length_s)) in TRACKS.into_iter().enumerate() {
        let file = format!("{number:02}.mp3");
        let tags = ["-b", "8", "--tt", title, "--ta", "JAudioSync"];
        Signal::tone(8_000, 1, 8_000 * length_s, 220.0).encode(&sandbox.music().join(&file), &tags);
        playlist = format!("{playlist}{file}\n");
    }
    sandbox.playlist(playlist);
    sandbox.run(&["index"]).succeeds();
}

#[test]
#[ignore = "writes the pictures of the guide; called by docs/make-page-pictures"]
fn pictures_of_the_page() {
    let folder = PathBuf::from(std::env::var_os("PICTURES").expect("PICTURES is the folder to write to"));
    let Some(mut ride) = Ride::with(make_music) else { panic!("without a browser and an air there are no pictures") };
    let mut browser = ride.browser("en");
    browser.wait_until("/^4 boxes are together within 0\\.[01]/.test(document.getElementById('together').innerText)");
    browser.press("[data-order=start]");
    std::thread::sleep(Duration::from_millis(400));
    browser.picture(&folder.join("page-pin.png"), 844.0);
    ride.give_pin(&mut browser);
    browser.wait_until("/Playing/.test(document.getElementById('state').innerText)");
    ride.send_recording(&mut browser, [0.2, 3.7, 0.0, -0.8]);
    std::thread::sleep(Duration::from_secs(40));
    for (width, height) in [(320, 640), (390, 844), (1280, 860)] {
        for scheme in ["light", "dark"] {
            browser.look(width, height, scheme);
            std::thread::sleep(Duration::from_millis(600));
            browser.picture(&folder.join(format!("page-{width}-{scheme}.png")), TALLEST_PX);
        }
    }
    // The card of the sound check, which is further down, alone.
    let others =
        "[].forEach.call(document.querySelectorAll('main > section:not(.ear)'), function (one) { one.hidden = ";
    browser.evaluate(&format!("{others}true }})"));
    for (width, scheme) in [(320, "light"), (390, "light"), (390, "dark")] {
        browser.look(width, 400, scheme);
        browser.picture(&folder.join(format!("page-sound-check-{width}-{scheme}.png")), TALLEST_PX);
    }
    browser.evaluate(&format!("{others}false }})"));
    ride.boxes.cut_power(3);
    browser.look(390, 844, "light");
    browser.wait_until("document.querySelector('.box.away')");
    std::thread::sleep(Duration::from_millis(600));
    browser.picture(&folder.join("page-box-off.png"), TALLEST_PX);
}
