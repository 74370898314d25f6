// The page of a ride. As browsers of 2016 understand it: no library, nothing from elsewhere.
(function () {
  "use strict";

  var GERMAN = {
    "To the music": "Zur Musik", "Connecting": "Verbinde", "live": "live", "lost": "getrennt",
    "All boxes": "Alle Boxen", "Start": "Start", "Stop": "Stopp", "Start over": "Neu starten", "Resume": "Weiter",
    "Identify": "Melden", "Boxes": "Boxen", "What this box says": "Was diese Box meldet (englisch)", "Playlist": "Titelliste",
    "Earlier tracks": "Frühere Titel", "Later tracks": "Spätere Titel", "PIN of the ride, six digits": "PIN der Fahrt, sechs Ziffern",
    "Cancel": "Abbrechen", "Unlock": "Steuern", "Lock": "Sperren", "Volume": "Lautstärke", "Louder": "Lauter", "Quieter": "Leiser",
    "Volume of all boxes": "Lautstärke aller Boxen", "Volume of {0}": "Lautstärke von {0}", "more": "mehr",
    "Stopped": "Gestoppt", "Waiting for the playlist": "Wartet auf die Titelliste", "Waiting for a trusted time": "Wartet auf die Uhrzeit",
    "Starts at {0}": "Beginnt um {0}", "Opening": "Wird geöffnet", "Playing": "Spielt", "Silent: the track cannot be played": "Stumm: der Titel ist nicht spielbar",
    "Waiting for the sound card": "Wartet auf die Soundkarte", "Between two tracks": "Zwischen zwei Titeln", "Sound check": "Klangprobe",
    "Switching off": "Schaltet sich ab", "Waiting for a start": "Wartet auf den Start", "Waiting for its turn": "Wartet, bis es losgeht",
    "In a state that this page does not know": "In einem Zustand, den diese Seite nicht kennt", "Track {0}, of 0 to {1}": "Titel {0}, von 0 bis {1}", "Track {0}": "Titel {0}",
    "Next: {0}": "Danach: {0}", "Stopped in: {0}": "Gestoppt in: {0}", "started over": "neu gestartet",
    "{0} boxes are together within {1} ms": "{0} Boxen sind auf {1} ms genau zusammen", "Alone: no other box is heard": "Allein: keine andere Box ist zu hören",
    "{0} of {1} boxes are together": "{0} von {1} Boxen sind zusammen", "{0} of {1} boxes are together, within {2} ms": "{0} von {1} Boxen sind zusammen, auf {2} ms genau", "{0} of {1} on": "{0} von {1} an",
    "this box": "diese Box", "leads": "führt", "plays": "spielt", "silent": "still", "off": "aus", "plays something else": "spielt etwas anderes",
    "not heard for {0}": "seit {0} nicht gehört", "{0} ms ahead, ±{1}": "{0} ms voraus, ±{1}", "{0} ms behind, ±{1}": "{0} ms zurück, ±{1}",
    "not compared yet": "noch nicht verglichen", "the others are compared with it": "mit ihr werden die anderen verglichen",
    "Time: {0}": "Zeit: {0}", "±{0} to UTC": "±{0} zu UTC", "UTC unknown": "UTC unbekannt", "checked {0} ago": "vor {0} geprüft", "never checked": "nie geprüft",
    "same playlist": "gleiche Titelliste", "another playlist: fingerprints differ": "andere Titelliste: Fingerabdrücke verschieden",
    "not in the same group yet": "noch nicht in derselben Gruppe", "does not hear this box": "hört diese Box nicht",
    "contradicts this box on the time": "widerspricht dieser Box bei der Uhrzeit", "its time is excluded by most others": "die meisten anderen verwerfen ihre Uhrzeit",
    "no sound card": "keine Soundkarte", "no RTC": "keine Echtzeituhr", "a track is missing or broken": "ein Titel fehlt oder ist defekt",
    "too little voltage": "zu wenig Spannung: Akku?", "too hot": "zu heiß", "another time than the others": "andere Zeit als die anderen",
    "does not keep its state": "merkt sich ihren Zustand nicht", "a file of the playlist is missing or other": "eine Datei fehlt oder ist anders",
    "Sending: {0}": "Sende: {0}", "{0}: done on {1} of {2} boxes": "{0}: auf {1} von {2} Boxen erledigt", "{0}: done on all {1} boxes": "{0}: auf allen {1} Boxen erledigt",
    "heard from {0}": "zu hören ab {0}", "{0}: done": "{0}: erledigt", "it has not answered": "sie hat nicht geantwortet", "{0} ms too late": "{0} ms zu spät",
    "no position is saved yet; it is saved when playing is stopped": "es ist keine Stelle gespeichert; das geschieht beim Stoppen",
    "it is shutting down": "sie schaltet sich ab", "it has too many commands to do; try again in some seconds": "sie hat zu viel zu tun; gleich noch einmal",
    "its time is another one, so it cannot do this together with the others; see: jaudiosync ride": "ihre Uhrzeit ist eine andere als die der anderen",
    "its program does not know this command; all boxes need the same version of JAudioSync": "ihr Programm kennt das nicht; alle brauchen dieselbe Version",
    "its service does not answer; on the box: journalctl -u jaudiosync": "ihr Dienst antwortet nicht",
    "a playlist that began then is over by now; name a later time": "eine Titelliste ab dieser Zeit wäre schon zu Ende",
    "its output_latency_ms would be beyond its range": "ihr Wert output_latency_ms wäre außerhalb seines Bereichs",
    "there is no track {0}; its tracks are 0 to {1}": "es gibt keinen Titel {0}, nur 0 bis {1}",
    "no box \"{0}\" is heard; heard are: {1}": "keine Box „{0}“ ist zu hören, sondern: {1}",
    "no box is heard; is this machine on the ride's network, and is this the ride's key?": "keine Box ist zu hören",
    "other boxes are not heard; see: journalctl -u jaudiosync": "andere Boxen sind nicht zu hören; siehe: journalctl -u jaudiosync",
    "the order before this one is still under way; try again": "die Anweisung davor läuft noch; gleich noch einmal",
    "the box has no random numbers; try again": "die Box hat keine Zufallszahlen; gleich noch einmal",
    "a fault of the program; see: journalctl -u jaudiosync": "ein Fehler des Programms; siehe: journalctl -u jaudiosync",
    "The ride's PIN": "Die PIN der Fahrt", "To steer, give the PIN once. On a box: jaudiosync ride pin": "Zum Steuern einmal die PIN eingeben. Auf einer Box: jaudiosync ride pin",
    "To look, give the PIN once. On a box: jaudiosync ride pin": "Zum Ansehen einmal die PIN eingeben. Auf einer Box: jaudiosync ride pin",
    "Start over?": "Neu starten?", "All boxes begin the playlist at its first track, at the next start.": "Alle Boxen beginnen beim nächsten Start mit dem ersten Titel.",
    "Begin with this track?": "Mit diesem Titel beginnen?", "All boxes begin with track {0}, {1}.": "Alle Boxen beginnen mit Titel {0}, {1}.",
    "Begin": "Beginnen", "The PIN is wrong.": "Die PIN ist falsch.", "Too many wrong PINs. Try again in {0}.": "Zu viele falsche PINs. Noch einmal in {0}.",
    "The PIN has six digits.": "Die PIN hat sechs Ziffern.", "No word from the box for {0}. Is it on, and is this phone on its network?": "Seit {0} keine Antwort der Box. Ist sie an, und ist dieses Telefon in ihrem Netz?",
    "The box does not answer.": "Die Box antwortet nicht.", "stays silent": "bleibt stumm", "Fingerprint {0}": "Fingerabdruck {0}", "No playlist is loaded.": "Keine Titelliste geladen.",
    "{0} s": "{0} s", "{0} min": "{0} min", "{0} h": "{0} h", "{0} d": "{0} d", "Locked again.": "Wieder gesperrt.", "You can steer the ride now.": "Jetzt kannst du steuern.",
    "What differs?": "Was ist anders?", "What differs on {0}?": "Was ist bei {0} anders?", "Asking {0}": "Frage {0}", "Nothing differs any more.": "Jetzt ist nichts mehr anders.",
    "It does not say which tracks it has; try again.": "Sie sagt nicht, welche Titel sie hat; noch einmal.", "and {0} more": "und {0} weitere",
    "Start it": "Starten",
    "Send recording": "Aufnahme senden",
    "How far apart do the boxes really sound? Start it, and record for a minute and a half, equally far from all of them. Then send the recording.": "Wie weit klingen die Boxen wirklich auseinander? Starten, anderthalb Minuten gleich weit von allen aufnehmen, dann die Aufnahme senden.",
    "Box": "Box",
    "Late by": "Zu spät um",
    "Correct it": "Korrigieren",
    "Set": "Setzen",
    "Set: {0}, {1} ms": "Setzen: {0}, {1} ms",
    "set": "gesetzt",
    "as it is": "passt",
    "±{0} ms, {1}": "±{0} ms, {1}",
    "sure": "sicher",
    "fair": "ziemlich sicher",
    "rough": "ungefähr",
    "Box {0}": "Box {0}",
    "box {0}": "Box {0}",
    "Start a sound check?": "Klangprobe starten?",
    "All boxes play sweeps for two minutes instead of the music, each in its turn. Stop ends it.": "Alle Boxen spielen zwei Minuten lang statt der Musik reihum kurze Töne. Stopp beendet es.",
    "Sending the recording: {0}": "Sende die Aufnahme: {0}",
    "Listening to the recording": "Höre die Aufnahme an",
    "Listening to the recording: {0}": "Höre die Aufnahme an: {0}",
    "Heard. A box that is late needs a higher latency: Set changes it.": "Gehört. Eine Box, die zu spät ist, braucht mehr Latenz: Setzen ändert sie.",
    "Nothing can be said of two boxes or more.": "Über zwei Boxen oder mehr lässt sich nichts sagen.",
    "{0} is set.": "{0} ist gesetzt.",
    "{0} was set by this recording before.": "{0} wurde nach dieser Aufnahme schon gesetzt.",
    "{0} is not set: {1}": "{0} ist nicht gesetzt: {1}",
    "The recording is too large: at most 30 MB. Send the minutes that matter.": "Die Aufnahme ist zu groß: höchstens 30 MB. Nur die wichtigen Minuten senden.",
    "another recording is being heard; try again when it is done": "eine andere Aufnahme wird gerade angehört; danach noch einmal",
    "another recording has come since; look at what it says": "inzwischen ist eine andere Aufnahme gekommen",
    "A fault of the program; see: journalctl -u jaudiosync": "Ein Fehler des Programms; siehe: journalctl -u jaudiosync"
  };

  var lang = (navigator.language || "en").toLowerCase().indexOf("de") === 0 ? "de" : "en";
  var view = null, seen = 0, maySteer = false, source = null, timer = 0, version = null;
  var cards = {}, answers = Object.create(null), listed = null, from = 0, touched = {}, lastFocus = null, sheetDone = null, waiting = null;

  function id(name) { return document.getElementById(name); }
  function now() { return window.performance && performance.now ? performance.now() : Date.now(); }

  // Names of boxes and words of other versions can be those of an object's own, such as "constructor".
  function has(object, key) { return Object.prototype.hasOwnProperty.call(object, key); }

  // Returns a text in the reader's language; {0} and {1} are filled in.
  function t(text) {
    var words = lang === "de" && has(GERMAN, text) ? GERMAN[text] : text, values = arguments;
    // At once, so that no title is taken for a place to fill in.
    words = words.replace(/\{(\d)\}/g, function (all, index) { return +index + 1 < values.length ? values[+index + 1] : all; });
    // A figure and its unit stay on one line.
    return words.replace(/(\d) (ms|s|min|h|d|%)(?=[ ,.]|$)/g, "$1\u00a0$2");
  }
  // Returns what a box said, in the reader's language.
  function said(words) {
    var track = /^there is no track (\d+); its tracks are 0 to (\d+)$/.exec(words);
    if (track) { return t("there is no track {0}; its tracks are 0 to {1}", track[1], track[2]); }
    var name = /^no box "(.*)" is heard; heard are: (.*)$/.exec(words);
    return name ? t("no box \"{0}\" is heard; heard are: {1}", name[1], name[2]) : t(words);
  }
  function number(value, digits) {
    var text = value.toFixed(digits);
    return lang === "de" ? text.replace(".", ",") : text;
  }
  function ms(value) { return number(value, value < 1 ? 2 : value < 10 ? 1 : 0); }
  function long(value) { return value >= 1000 ? number(value / 1000, 1) + " s" : ms(value) + " ms"; }
  function age(s) {
    if (s < 90) { return t("{0} s", Math.round(s)); }
    if (s < 5400) { return t("{0} min", Math.round(s / 60)); }
    if (s < 129600) { return t("{0} h", Math.round(s / 3600)); }
    return t("{0} d", Math.round(s / 86400));
  }
  function clock(s) {
    s = Math.max(0, Math.floor(s));
    var h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60, rest = s % 60;
    return (h ? h + ":" + (m < 10 ? "0" : "") : "") + m + ":" + (rest < 10 ? "0" : "") + rest;
  }
  function timeOfDay(utcMs) {
    var date = new Date(utcMs);
    function two(value) { return (value < 10 ? "0" : "") + value; }
    return two(date.getHours()) + ":" + two(date.getMinutes()) + ":" + two(date.getSeconds());
  }
  function text(node, words) { if (node.textContent !== words) { node.textContent = words; } }
  function name(node, value) { if (node.className !== value) { node.className = value; } }
  function attribute(node, key, value) { if (node.getAttribute(key) !== value) { node.setAttribute(key, value); } }
  function make(tag, className, words) {
    var node = document.createElement(tag);
    if (className) { node.className = className; }
    if (words) { node.textContent = words; }
    return node;
  }
  function button(words, act) {
    var node = make("button", "", words);
    node.type = "button";
    node.addEventListener("click", function () { act(node); });
    return node;
  }

  function ask(method, path, body, done) {
    var request = new XMLHttpRequest();
    request.open(method, path);
    request.timeout = 15000;
    if (body) { request.setRequestHeader("Content-Type", "application/json"); }
    request.onload = function () {
      var answer = {};
      try { answer = JSON.parse(request.responseText); } catch (error) { answer = {}; }
      done(request.status, answer);
    };
    request.onerror = request.ontimeout = function () { done(0, {}); };
    request.send(body ? JSON.stringify(body) : null);
  }

  // --- The connection.

  function later(wait) { clearTimeout(timer); timer = setTimeout(connect, wait); }
  function close() { if (source) { source.close(); source = null; } }

  function connect() {
    close();
    clearTimeout(timer);
    ask("GET", "/state", null, function (status, answer) {
      if (status === 200 && answer.view) {
        steer(answer.steer);
        take(answer.view);
        if (document.hidden) { return; }
        if (!window.EventSource) { later(1500); return; }
        close();
        source = new EventSource("/live");
        source.onmessage = function (event) { take(JSON.parse(event.data)); };
        source.onerror = function () { if (source && source.readyState === 2) { later(2000); } };
      } else if (status === 401) {
        steer(false);
        seen = 0;
        askPin(t("To look, give the PIN once. On a box: jaudiosync ride pin"), connect);
      } else {
        later(2000);
      }
    });
  }

  function take(fresh) {
    if (version && fresh.version !== version) { location.reload(); return; }
    version = fresh.version;
    view = fresh;
    seen = now();
    show();
  }

  function watch() {
    var silent = seen ? (now() - seen) / 1000 : 0;
    var lost = silent > 3.5;
    name(id("link"), "link " + (lost ? "lost" : seen ? "live" : ""));
    text(id("link-text"), t(lost ? "lost" : seen ? "live" : "Connecting"));
    id("gone").hidden = !lost;
    if (lost) {
      // Said once, and then without a word for every second.
      var words = t("No word from the box for {0}. Is it on, and is this phone on its network?", age(silent < 10 ? 4 : Math.floor(silent / 10) * 10));
      text(id("gone"), words);
    }
    if (silent > 9 && source) { connect(); }
    place();
  }

  // --- What plays.

  var STATES = {
    stopped: "Waiting for a start", waiting_for_playlist: "Waiting for the playlist", waiting_for_time: "Waiting for a trusted time",
    opening: "Opening", playing: "Playing", silent: "Silent: the track cannot be played", waiting_for_device: "Waiting for the sound card",
    gap: "Between two tracks", sound_check: "Sound check", shutting_down: "Switching off",
    waiting_for_slot: "Waiting for its turn", other: "In a state that this page does not know"
  };

  function place() {
    if (!view) { return; }
    var play = view.play, passed = (now() - seen) / 1000, part = 0;
    if (play.offset_s !== null && play.track !== null) {
      var at = play.offset_s + Math.min(passed, 10);
      if (play.length_s) { at = Math.min(at, play.length_s); part = at / play.length_s; }
      text(id("at"), clock(at));
      text(id("length"), play.length_s ? clock(play.length_s) : "");
    } else {
      text(id("at"), "");
      text(id("length"), "");
    }
    id("fill").style.transform = "scaleX(" + part.toFixed(4) + ")";
    attribute(id("bar"), "aria-valuenow", String(Math.round(part * 100)));
  }

  function show() {
    var play = view.play, tracks = view.playlist ? view.playlist.tracks : 0;
    document.title = view.name + (play.title ? ": " + play.title : "");
    text(id("here"), view.name);
    var words = play.state === "waiting_for_slot" && play.next
      ? t("Starts at {0}", timeOfDay(Date.now() + play.next[2] * 1000)) : t(has(STATES, play.state) ? STATES[play.state] : STATES.other);
    if (play.track !== null && !play.common) { words += ", " + t("started over"); }
    text(id("state"), words);
    name(id("state"), "state" + (play.state === "playing" || play.state === "gap" ? "" : " idle"));
    var title = play.title || play.next && play.next[1] || play.stopped_at && play.stopped_at[1] || (view.playlist ? view.playlist.name : t("No playlist is loaded."));
    text(id("title"), title);
    var which = play.track !== null ? play.track : play.next ? play.next[0] : null;
    text(id("which"), which !== null && tracks ? t("Track {0}, of 0 to {1}", which, tracks - 1) : "");
    attribute(id("bar"), "aria-label", title);
    text(id("next"), play.next && play.title ? t("Next: {0}", play.next[1])
      : play.stopped_at ? t("Stopped in: {0}", play.stopped_at[1] + ", " + clock(play.stopped_at[2])) : "");
    place();
    showTogether();
    showBoxes();
    showWarnings();
    showList();
  }

  function showTogether() {
    var there = view.boxes.filter(function (box) { return box.gone_s === null; });
    var node = id("together");
    var group = there.filter(function (box) { return box.in_group; });
    var same = group.filter(function (box) { return box.same_timetable !== false && box.plays === view.boxes[0].plays; });
    var words, ill = false;
    if (there.length === 1) {
      words = view.boxes.length > 1 ? t("{0} of {1} boxes are together", 1, view.boxes.length) : t("Alone: no other box is heard");
      ill = view.boxes.length > 1;
    } else if (same.length === view.boxes.length && view.group_bound_ms !== null) {
      words = t("{0} boxes are together within {1} ms", same.length, ms(view.group_bound_ms));
    } else {
      words = same.length > 1 && view.group_bound_ms !== null
        ? t("{0} of {1} boxes are together, within {2} ms", same.length, view.boxes.length, ms(view.group_bound_ms))
        : t("{0} of {1} boxes are together", same.length, view.boxes.length);
      ill = same.length < view.boxes.length;
    }
    text(node, words);
    name(node, "together" + (ill ? " warn" : ""));
    text(id("count"), view.boxes.length > 1 ? t("{0} of {1} on", there.length, view.boxes.length) : "");
    var loudest = Math.max.apply(null, there.map(function (box) { return box.volume === null ? 0 : box.volume; }));
    showVolume(allVolume, loudest);
  }

  // --- Volume.

  function volume(label, targets) {
    var node = make("div", "volume"), slider = make("input"), much = make("span", "much");
    var holder = { node: node, slider: slider, much: much, key: targets ? targets[0] : "all" };
    function sign(words, by) {
      var one = button(by < 0 ? "−" : "+", function () { order({ change_volume: by }, targets, t("Volume"), one); });
      one.setAttribute("aria-label", words + ": " + label);
      return one;
    }
    slider.type = "range";
    slider.min = 0;
    slider.max = 100;
    slider.step = 1;
    slider.setAttribute("aria-label", label);
    slider.addEventListener("input", function () { touched[holder.key] = now(); text(much, slider.value + " %"); });
    slider.addEventListener("change", function () {
      touched[holder.key] = now();
      order({ set_volume: Number(slider.value) }, targets, t("Volume"), null);
    });
    node.appendChild(sign(t("Quieter"), -5));
    node.appendChild(slider);
    node.appendChild(much);
    node.appendChild(sign(t("Louder"), 5)).style.marginLeft = "10px";
    return holder;
  }
  function showVolume(holder, percent) {
    // Not under the thumb of somebody who moves it, and not before it is done.
    if (now() - (touched[holder.key] || -9999) < 4000) { return; }
    if (percent === null) { text(holder.much, "–"); return; }
    if (Number(holder.slider.value) !== percent) { holder.slider.value = percent; }
    text(holder.much, percent + " %");
  }

  // --- The boxes.

  var SCALES = [0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 500, 1000, 10000];

  function scale() {
    var widest = 0;
    view.boxes.forEach(function (box) {
      if (box.ahead_ms !== null && box.gone_s === null) { widest = Math.max(widest, Math.abs(box.ahead_ms) + Math.min(box.bound_ms || 0, 1000)); }
    });
    for (var i = 0; i < SCALES.length; i++) { if (SCALES[i] >= widest) { return SCALES[i]; } }
    return SCALES[SCALES.length - 1];
  }

  function makeCard(box) {
    var card = { node: make("li", "box"), targets: [box.id || box.name] };
    var head = card.node.appendChild(make("div", "head"));
    card.title = head.appendChild(make("h3"));
    card.what = head.appendChild(make("span", "what"));
    card.scale = card.node.appendChild(make("div", "scale"));
    card.scale.setAttribute("aria-hidden", "true");
    card.band = card.scale.appendChild(make("span", "band"));
    card.pointer = card.scale.appendChild(make("span", "pointer"));
    card.ends = card.node.appendChild(make("div", "ends"));
    card.ends.setAttribute("aria-hidden", "true");
    card.left = card.ends.appendChild(make("span"));
    card.right = card.ends.appendChild(make("span"));
    card.facts = card.node.appendChild(make("ul", "facts"));
    card.differ = card.node.appendChild(button(t("What differs?"), function (node) { differs(card, box, node); }));
    card.differ.setAttribute("aria-label", t("What differs on {0}?", box.name));
    card.differences = card.node.appendChild(make("ul", "facts"));
    card.differences.setAttribute("role", "status");
    card.answer = card.node.appendChild(make("p", "answer"));
    card.answer.setAttribute("role", "status");
    card.more = card.node.appendChild(make("details"));
    card.summary = card.more.appendChild(make("summary"));
    card.volume = volume(t("Volume of {0}", box.name), card.targets);
    card.more.appendChild(card.volume.node);
    var row = card.more.appendChild(make("div", "row three"));
    [["start", "Start"], ["stop", "Stop"], ["identify", "Identify"]].forEach(function (one) {
      var node = button(t(one[1]), function () { order(one[0], card.targets, t(one[1]), node); });
      node.setAttribute("aria-label", t(one[1]) + ": " + box.name);
      row.appendChild(node);
    });
    return card;
  }

  function facts(box) {
    var list = [];
    if (box.gone_s !== null) { return [["ill", t("not heard for {0}", age(box.gone_s))]]; }
    if (box.here) {
      if (view.boxes.length > 1) { list.push(["", t("the others are compared with it")]); }
    } else if (box.ahead_ms === null) {
      list.push(["", t("not compared yet")]);
    } else {
      list.push(["", t(box.ahead_ms < 0 ? "{0} ms behind, ±{1}" : "{0} ms ahead, ±{1}", number(Math.abs(box.ahead_ms), 2), ms(box.bound_ms || 0))]);
    }
    var utc = box.utc_bound_ms === null ? t("UTC unknown") : t("±{0} to UTC", long(box.utc_bound_ms));
    utc += ", " + (box.checked_s === null ? t("never checked") : t("checked {0} ago", age(box.checked_s)));
    list.push(["", (box.source ? t("Time: {0}", box.source) + ", " : "") + utc]);
    if (box.same_playlist === true) { list.push(["ok", t("same playlist")]); }
    if (box.same_playlist === false) { list.push(["ill", t("another playlist: fingerprints differ")]); }
    if (!box.in_group) { list.push(["ill", t("not in the same group yet")]); }
    if (!box.hears) { list.push(["ill", t("does not hear this box")]); }
    if (box.standing === "contradicted") { list.push(["ill", t("contradicts this box on the time")]); }
    if (box.standing === "excluded") { list.push(["ill", t("its time is excluded by most others")]); }
    box.troubles.forEach(function (words) { list.push(["ill", said(words)]); });
    return list;
  }

  // What differs in the playlist of a box, as it says itself, and in German.
  var DIFFERENCES = [
    [/ is not in its playlist$/, " fehlt in ihrer Titelliste"], [/: missing or broken there$/, ": fehlt dort oder ist defekt"],
    [/: missing or broken here$/, ": fehlt hier oder ist defekt"], [/: another size there: (\d+) bytes instead of (\d+) bytes$/, ": dort $1 statt $2 Bytes"],
    [/: another file of the same size there$/, ": dort eine andere Datei gleicher Größe"],
    [/: another length there; do both boxes have the same version\?$/, ": dort eine andere Länge; haben beide dieselbe Version?"],
    [/^its playlist has (\d+) tracks? that this box's does not have$/, "ihre Titelliste hat $1 Titel, die hier fehlen"],
    [/^the same tracks in another order, or another number of times$/, "dieselben Titel, andere Reihenfolge oder Anzahl"]
  ];
  function differs(card, box, node) {
    if (!maySteer) {
      askPin(t("To steer, give the PIN once. On a box: jaudiosync ride pin"), function () { differs(card, box, node); });
      return;
    }
    node.disabled = true;
    card.differences.textContent = "";
    card.differences.appendChild(make("li", "", t("Asking {0}", box.name)));
    ask("POST", "/differences", { box: box.id }, function (status, answer) {
      node.disabled = false;
      var lines = answer.lines || [t("It does not say which tracks it has; try again.")];
      if (!lines.length) { lines = [t("Nothing differs any more.")]; }
      if (answer.more) { lines.push(t("and {0} more", answer.more)); }
      card.differences.textContent = "";
      lines.forEach(function (line) {
        if (lang === "de") { DIFFERENCES.forEach(function (one) { line = line.replace(one[0], one[1]); }); }
        card.differences.appendChild(make("li", "", line));
      });
    });
  }

  function showBoxes() {
    var list = id("boxes"), wide = scale(), there = {}, before = null;
    view.boxes.forEach(function (box) {
      var key = box.here ? "here" : box.id;
      there[key] = true;
      if (cards[key] && cards[key].name !== box.name + box.id) { list.removeChild(cards[key].node); delete cards[key]; }
      var card = cards[key];
      if (!card) { card = cards[key] = makeCard(box); card.name = box.name + box.id; list.insertBefore(card.node, before ? before.nextSibling : list.firstChild); }
      if (before && card.node.previousSibling !== before) { list.insertBefore(card.node, before.nextSibling); }
      before = card.node;
      fill(card, box, wide);
    });
    Object.keys(cards).forEach(function (key) {
      if (!there[key]) { list.removeChild(cards[key].node); delete cards[key]; }
    });
  }

  function fill(card, box, wide) {
    var gone = box.gone_s !== null, compared = !gone && box.ahead_ms !== null && view.boxes.length > 1;
    var twins = view.boxes.filter(function (other) { return other.name === box.name; }).length > 1;
    text(card.title, box.name + (twins && box.id ? " (" + box.id.slice(0, 4) + ")" : ""));
    var what = gone ? [t("off")] : [box.plays ? box.same_timetable === false ? t("plays something else") : t("plays") : t("silent")];
    if (box.here) { what.unshift(t("this box")); }
    if (box.leads && !gone && view.boxes.length > 1) { what.push(t("leads")); }
    text(card.what, what.join(" · "));
    name(card.what, "what" + (!gone && box.plays ? " on" : ""));
    name(card.node, "box" + (gone ? " away" : ""));
    card.scale.hidden = card.ends.hidden = !compared || box.here;
    card.more.hidden = gone;
    card.differ.hidden = card.differences.hidden = gone || box.same_playlist !== false;
    text(card.summary, t("Volume") + (box.volume === null ? "" : " " + box.volume + " %"));
    attribute(card.summary, "aria-label", box.name + ": " + card.summary.textContent + ", " + t("more"));
    if (compared && !box.here) {
      var bound = Math.min(box.bound_ms || 0, wide), half = 50 / wide;
      var low = Math.max(0, 50 + (box.ahead_ms - bound) * half), high = Math.min(100, 50 + (box.ahead_ms + bound) * half);
      card.band.style.left = low + "%";
      card.band.style.width = (high - low) + "%";
      card.pointer.style.left = Math.min(100, Math.max(0, 50 + box.ahead_ms * half)) + "%";
      name(card.scale, "scale" + (Math.abs(box.ahead_ms) > 2 ? " far" : ""));
      text(card.left, "−" + number(wide, wide < 1 ? 1 : 0) + " ms");
      text(card.right, "+" + number(wide, wide < 1 ? 1 : 0) + " ms");
    }
    var lines = facts(box);
    while (card.facts.children.length > lines.length) { card.facts.removeChild(card.facts.lastChild); }
    lines.forEach(function (line, index) {
      var node = card.facts.children[index] || card.facts.appendChild(make("li"));
      name(node, line[0]);
      text(node, line[1]);
    });
    var answer = answers[box.id] || answers[box.name];
    if (answer && now() - answer.at > 20000) { answer = null; }
    text(card.answer, answer ? answer.words : "");
    name(card.answer, "answer" + (answer && answer.bad ? " bad" : ""));
    showVolume(card.volume, box.volume);
  }

  function showWarnings() {
    var list = id("warnings");
    id("warnings-card").hidden = !view.warnings.length;
    while (list.children.length > view.warnings.length) { list.removeChild(list.lastChild); }
    view.warnings.forEach(function (words, index) { text(list.children[index] || list.appendChild(make("li")), words); });
  }

  // --- The playlist.

  function showList() {
    var playlist = view.playlist, current = view.play.track;
    text(id("list-name"), playlist ? playlist.name : "");
    text(id("print"), playlist ? t("Fingerprint {0}", playlist.fingerprint) : t("No playlist is loaded."));
    var wanted = playlist && playlist.fingerprint;
    if (wanted && wanted !== listed && waiting === null) {
      load(Math.max(0, Math.floor((current || 0) / 100) * 100));
    } else if (wanted) {
      mark(current);
    }
  }
  function load(first) {
    waiting = first;
    ask("GET", "/tracks?from=" + first, null, function (status, answer) {
      waiting = null;
      if (status !== 200) { return; }
      listed = answer.fingerprint;
      from = answer.from;
      var list = id("tracks");
      list.textContent = "";
      list.setAttribute("start", String(from));
      answer.tracks.forEach(function (track, index) {
        var item = list.appendChild(make("li")), place = from + index;
        var node = item.appendChild(button("", function () { begin(place, track.title); }));
        name(node, track.silent ? "mute" : "");
        node.appendChild(make("span", "number", String(place)));
        node.appendChild(make("span", "name", track.title + (track.silent ? " (" + t("stays silent") + ")" : "")));
        node.appendChild(make("span", "time", track.length_s === null ? "" : clock(track.length_s)));
      });
      var total = view && view.playlist ? view.playlist.tracks : 0;
      id("pages").hidden = from === 0 && from + 100 >= total;
      id("earlier").disabled = from === 0;
      id("later").disabled = from + 100 >= total;
      mark(view ? view.play.track : null);
    });
  }
  function mark(current) {
    var items = id("tracks").children;
    for (var i = 0; i < items.length; i++) {
      var node = items[i].firstChild, is = from + i === current;
      var base = node.className.replace(/ ?current/, "");
      name(node, base + (is ? " current" : ""));
      if (is) { attribute(node, "aria-current", "true"); } else { node.removeAttribute("aria-current"); }
    }
  }
  function begin(place, title) {
    confirm(t("Begin with this track?"), t("All boxes begin with track {0}, {1}.", place, title), function () {
      order({ start_fresh: place }, null, t("Track {0}", place), null);
    });
  }

  // --- Orders.

  function order(what, targets, label, pressed) {
    if (!maySteer) {
      askPin(t("To steer, give the PIN once. On a box: jaudiosync ride pin"), function () { order(what, targets, label, pressed); });
      return;
    }
    say(t("Sending: {0}", label), false);
    if (pressed) { pressed.setAttribute("aria-busy", "true"); }
    var body = { order: what };
    if (targets) { body.boxes = targets; }
    ask("POST", "/order", body, function (status, answer) {
      if (pressed) { pressed.removeAttribute("aria-busy"); }
      touched = {};
      if (status === 401) {
        say("", false);
        steer(false);
        order(what, targets, label, pressed);
      } else if (status === 200 && answer.boxes) {
        showOutcomes(label, answer.boxes);
      } else {
        say(status && answer.error ? said(answer.error) : t("The box does not answer."), true);
      }
    });
  }

  function showOutcomes(label, boxes) {
    var done = boxes.filter(function (box) { return box.outcome === "done"; });
    var heard = done.filter(function (box) { return box.heard_from_ms !== null; });
    boxes.forEach(function (box) {
      var good = box.outcome === "done", words = label + ": " + said(box.words);
      if (good) {
        words = t("{0}: done", label);
        if (box.late_ms) { words += ", " + t("{0} ms too late", box.late_ms); }
      }
      answers[box.id] = { at: now(), bad: !good, words: good && !box.late_ms ? "" : words };
    });
    var all = done.length === boxes.length;
    var words = boxes.length === 1 ? all ? boxes[0].name + ": " + label : boxes[0].name + ": " + said(boxes[0].words)
      : all ? t("{0}: done on all {1} boxes", label, boxes.length) : t("{0}: done on {1} of {2} boxes", label, done.length, boxes.length);
    if (heard.length) { words += ", " + t("heard from {0}", timeOfDay(heard[0].heard_from_ms)); }
    say(words, !all);
    if (view) { show(); }
  }
  function say(words, bad) {
    text(id("result"), words);
    name(id("result"), "result" + (bad ? " bad" : ""));
  }

  function steer(may) {
    if (may && !maySteer) { askHeard(); }
    maySteer = may;
    id("lock").hidden = false;
    text(id("lock"), t(may ? "Lock" : "Unlock"));
  }

  // --- Recordings of a sound check.

  // What is said of a recording: in English, where the box has no words for people, and in German.
  var TOLD = {
    unreadable: ["The recording cannot be read: it is damaged.", "Die Aufnahme ist nicht lesbar: sie ist beschädigt."],
    format: ["The box cannot read this file. It reads recordings as WAV, M4A, MP3, Ogg, FLAC, AIFF and CAF.", "Diese Datei kann die Box nicht lesen. Sie liest Aufnahmen als WAV, M4A, MP3, Ogg, FLAC, AIFF und CAF."],
    codec: ["The box cannot read this kind of recording, such as Opus or AMR. Let the recorder write M4A or WAV.", "Diese Art Aufnahme kann die Box nicht lesen, etwa Opus oder AMR. Als M4A oder WAV aufnehmen."],
    rate: ["The recording has too few samples per second, as a call has. Use a recorder for music.", "Die Aufnahme hat zu wenige Werte pro Sekunde, wie ein Anruf. Einen Rekorder für Musik nehmen."],
    too_long: ["The recording is longer than 5 min. Send the minutes that matter.", "Die Aufnahme ist länger als 5 min. Nur die wichtigen Minuten senden."],
    empty: ["There is no sound in the recording.", "In der Aufnahme ist kein Ton."],
    no_sweeps: ["No sound check is heard: too quiet, or another recording? Go nearer, switch noise reduction off, record again.", "Keine Klangprobe zu hören: zu leise, oder eine andere Aufnahme? Näher heran, Rauschunterdrückung aus, neu aufnehmen."],
    no_schedule: ["The boxes do not play in turn. Have they the right time, or is another ride near?", "Die Boxen spielen nicht reihum. Stimmt ihre Uhrzeit, oder ist eine andere Fahrt in der Nähe?"],
    too_short: ["The recording is too short. Record for a minute and a half.", "Die Aufnahme ist zu kurz. Anderthalb Minuten aufnehmen."],
    lost: ["The phone lost pieces of the sound. Close other apps, and record for a minute and a half.", "Dem Telefon fehlen Stücke. Andere Apps schließen, anderthalb Minuten aufnehmen."],
    not_connected: ["The recorder paused. Record again without a pause.", "Die Aufnahme hat eine Pause. Ohne Pause neu aufnehmen."],
    too_few: ["Fewer than two boxes are heard well enough. Go nearer, and record again.", "Weniger als zwei Boxen sind gut genug zu hören. Näher heran und neu aufnehmen."],
    too_slow: ["It takes too long. Send a shorter recording.", "Es dauert zu lange. Eine kürzere Aufnahme senden."],
    cut_off: ["The recording was cut off. Send it again.", "Die Aufnahme ist abgebrochen. Noch einmal senden."],
    machine: ["A fault of the program; see: journalctl -u jaudiosync", "Ein Fehler des Programms; siehe: journalctl -u jaudiosync"],
    two_boxes: [0, "zwei Boxen klingen mit dieser Nummer; einer eine andere geben (sound_check.number)"],
    too_late: [0, "zu spät, oder leise und spät: vielleicht von einer anderen Fahrt; näher an die eigenen Boxen"],
    heard_once: [0, "nur einmal gehört; länger aufnehmen, ohne Lärm am Telefon"],
    disturbed: [0, "Lärm überdeckt sie; näher heran oder warten, bis es leiser ist, und länger aufnehmen"],
    unclear: [0, "ihr Schall ist nicht klar; näher heran, oder dorthin, wo der Lautsprecher zu sehen ist"],
    alone: [0, "zu hören, aber keine andere Box zum Vergleichen"]
  };
  function told(kind, words) { return has(TOLD, kind) && (lang === "de" ? TOLD[kind][1] : TOLD[kind][0]) || words; }
  var MOST_BYTES = 30e6, hearing = 0;

  function earSays(words, bad, percent) {
    text(id("ear-said"), words);
    name(id("ear-said"), "result" + (bad ? " bad" : ""));
    var bar = id("ear-bar"), works = percent !== undefined;
    bar.hidden = !works;
    if (works && percent !== null) { bar.value = percent; } else { bar.removeAttribute("value"); }
    id("file").disabled = works;
  }
  function send(file) {
    if (!maySteer) {
      askPin(t("To steer, give the PIN once. On a box: jaudiosync ride pin"), function () { send(file); });
      return;
    }
    if (file.size > MOST_BYTES) { earSays(t("The recording is too large: at most 30 MB. Send the minutes that matter."), true); return; }
    var request = new XMLHttpRequest();
    request.open("POST", "/recording");
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = function (event) {
      var percent = event.total ? Math.round(100 * event.loaded / event.total) : 0;
      earSays(t("Sending the recording: {0}", percent + " %"), false, percent);
    };
    request.onload = function () {
      var answer = {};
      try { answer = JSON.parse(request.responseText); } catch (error) { answer = {}; }
      if (request.status === 202) { showHeard(answer); } else if (request.status === 401) { earSays("", false); steer(false); send(file); }
      else { earSays(said(answer.error || "The box does not answer."), true); }
    };
    // The box may say why before all is sent.
    request.onerror = function () { earSays(told("cut_off"), true); askHeard(); };
    id("heard").hidden = true;
    earSays(t("Sending the recording: {0}", "0 %"), false, 0);
    request.send(file);
  }
  function askHeard() {
    clearTimeout(hearing);
    ask("GET", "/recording", null, function (status, answer) {
      if (status === 200) { showHeard(answer); }
      else if (status !== 401) { hearing = setTimeout(askHeard, 3000); }
    });
  }
  function showHeard(heard) {
    clearTimeout(hearing);
    id("heard").hidden = heard.state !== "boxes";
    if (heard.state === "receiving" || heard.state === "hearing") {
      var known = typeof heard.percent === "number";
      earSays(known ? t("Listening to the recording: {0}", heard.percent + " %") : t("Listening to the recording"), false, known ? heard.percent : null);
      hearing = setTimeout(askHeard, 1000);
    } else if (heard.state === "failed") {
      earSays(told(heard.kind, heard.words), true);
    } else if (heard.state === "boxes") {
      var good = heard.boxes.some(function (box) { return box.offset_ms !== null; });
      earSays(t(good ? "Heard. A box that is late needs a higher latency: Set changes it." : "Nothing can be said of two boxes or more."), !good);
      id("heard-rows").textContent = "";
      heard.boxes.forEach(function (box) { heardRow(heard.recording, box); });
    }
  }
  function heardRow(recording, box) {
    var row = id("heard-rows").appendChild(make("tr")), who = box.name || t("Box {0}", box.number);
    var head = row.appendChild(make("th", "", who));
    head.scope = "row";
    if (box.name) { head.appendChild(make("div", "dim", t("box {0}", box.number))); }
    var much = row.appendChild(make("td")), act = row.appendChild(make("td"));
    if (box.offset_ms === null) { much.colSpan = 2; row.removeChild(act); text(much, told(box.no_answer, box.words)); return; }
    var ms3 = (box.offset_ms < 0 ? "\u2212" : "+") + number(Math.abs(box.offset_ms), 2);
    much.appendChild(make("b", "", ms3 + "\u00a0ms"));
    much.appendChild(make("div", "dim", t("±{0} ms, {1}", number(box.plus_minus_ms, 2), t(box.sure))));
    if (box.is_set) { text(act, t("set")); return; }
    if (!box.worth) { text(act, t("as it is")); return; }
    var node = act.appendChild(button(t("Set"), function () {
      node.setAttribute("aria-busy", "true");
      ask("POST", "/recording/set", { recording: recording, box: box.number }, function (status, answer) {
        node.removeAttribute("aria-busy");
        if (status === 200) {
          text(act, t("set"));
          earSays(t(answer.set === "set" ? "{0} is set." : "{0} was set by this recording before.", who), false);
        } else {
          earSays(t("{0} is not set: {1}", who, said(answer.error || "The box does not answer.")), true);
        }
      });
    }));
    attribute(node, "aria-label", t("Set: {0}, {1} ms", who, ms3));
  }

  // --- The sheet: a question, or the PIN.

  function open(title, words, yes, needsPin, done) {
    lastFocus = document.activeElement;
    text(id("sheet-title"), title);
    text(id("sheet-text"), words);
    text(id("sheet-error"), "");
    text(id("sheet-yes"), yes);
    id("pin").hidden = id("pin-label").hidden = !needsPin;
    id("pin").value = "";
    id("shade").hidden = false;
    sheetDone = done;
    (needsPin ? id("pin") : id("sheet-yes")).focus();
  }
  function shut() {
    id("shade").hidden = true;
    sheetDone = null;
    if (lastFocus && lastFocus.focus) { lastFocus.focus(); }
  }
  function confirm(title, words, act) {
    open(title, words, t("Begin"), false, function () { shut(); act(); });
  }
  function askPin(words, then) {
    open(t("The ride's PIN"), words, t("Unlock"), true, function () { givePin(id("pin").value, then); });
  }
  function givePin(pin, then) {
    if (pin.replace(/\D/g, "").length !== 6) { text(id("sheet-error"), t("The PIN has six digits.")); return; }
    id("sheet-yes").disabled = true;
    ask("POST", "/pin", { pin: pin }, function (status, answer) {
      id("sheet-yes").disabled = false;
      if (status === 200) {
        steer(true);
        if (!id("shade").hidden) { shut(); }
        say(t("You can steer the ride now."), false);
        then();
      } else if (status === 403 || status === 429) {
        if (id("shade").hidden) { askPin(t("To steer, give the PIN once. On a box: jaudiosync ride pin"), then); }
        id("pin").value = "";
        id("pin").focus();
        text(id("sheet-error"), answer.wait_s ? t("Too many wrong PINs. Try again in {0}.", age(answer.wait_s)) : t("The PIN is wrong."));
      } else {
        text(id("sheet-error"), status && answer.error ? said(answer.error) : t("The box does not answer."));
      }
    });
  }

  // --- The beginning.

  document.documentElement.lang = lang;
  [].forEach.call(document.querySelectorAll("[data-t]"), function (node) { text(node, t(node.textContent)); });
  var allVolume = volume(t("Volume of all boxes"), null);
  id("all-volume").parentNode.replaceChild(allVolume.node, id("all-volume"));
  [].forEach.call(document.querySelectorAll("[data-order]"), function (node) {
    var what = node.getAttribute("data-order");
    node.addEventListener("click", function () {
      var label = t({ start: "Start", stop: "Stop", start_fresh: "Start over", resume: "Resume", identify: "Identify", sound_check: "Sound check" }[what]);
      if (what === "start_fresh") {
        confirm(t("Start over?"), t("All boxes begin the playlist at its first track, at the next start."), function () {
          order({ start_fresh: 0 }, null, label, node);
        });
      } else if (what === "sound_check") {
        confirm(t("Start a sound check?"), t("All boxes play sweeps for two minutes instead of the music, each in its turn. Stop ends it."), function () {
          order(what, null, label, node);
        });
      } else {
        order(what, null, label, node);
      }
    });
  });
  id("file").addEventListener("change", function () {
    var file = id("file").files[0];
    if (file) { send(file); }
    // The same file can be sent again.
    id("file").value = "";
  });
  id("earlier").addEventListener("click", function () { load(Math.max(0, from - 100)); });
  id("later").addEventListener("click", function () { load(from + 100); });
  id("lock").addEventListener("click", function () {
    if (maySteer) {
      ask("POST", "/leave", {}, function () {
        steer(false);
        say(t("Locked again."), false);
        // Where looking needs the PIN, it has to be given again.
        connect();
      });
    } else {
      askPin(t("To steer, give the PIN once. On a box: jaudiosync ride pin"), connect);
    }
  });
  id("sheet-no").addEventListener("click", shut);
  id("sheet-form").addEventListener("submit", function (event) { event.preventDefault(); if (sheetDone) { sheetDone(); } });
  document.addEventListener("keydown", function (event) {
    if (id("shade").hidden) { return; }
    if (event.key === "Escape" || event.keyCode === 27) { shut(); return; }
    if (event.key !== "Tab" && event.keyCode !== 9) { return; }
    // The focus stays in the sheet.
    var stops = [id("pin"), id("sheet-no"), id("sheet-yes")].filter(function (node) { return !node.hidden && !node.disabled; });
    var at = stops.indexOf(document.activeElement), to = event.shiftKey ? at - 1 : at + 1;
    event.preventDefault();
    stops[(to + stops.length) % stops.length].focus();
  });
  document.addEventListener("visibilitychange", function () {
    // A phone in a pocket needs no news.
    if (document.hidden) { close(); clearTimeout(timer); } else { connect(); }
  });
  window.addEventListener("pagehide", close);
  // Shown again as it was left, by the browser's buttons.
  window.addEventListener("pageshow", function (event) { if (event.persisted) { connect(); } });
  setInterval(function () { if (!document.hidden) { watch(); } }, 500);

  // The QR code of `jaudiosync ride pin` has the PIN behind the #, which no server sees.
  var given = /^#(?:pin=)?(\d{6})$/.exec(location.hash);
  if (given) {
    if (window.history && history.replaceState) { history.replaceState(null, "", location.pathname); }
    givePin(given[1], connect);
  }
  connect();
}());
