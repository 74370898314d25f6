# Boot configurations of all kinds: afterwards I2C is on exactly once, lines
# that take the RTC are comments, doing it twice is the same as once, and giving back restores every
# byte. Lines that an owner writes below ours apply to the same boards afterwards.

expect "it installs" install_package
prepare=/usr/lib/jaudiosync/prepare-pi

# boot_config NAME LINES-ADDED TEXT
boot_config() {
    local file=$root/boot/firmware/config.txt
    printf '%b' "$3" | make_raspberry_pi
    cp "$file" "$work/notes/original"
    inside "$prepare" take >"$work/notes/said" 2>&1
    expect "$1: $2 lines more" test "$(($(wc -l <"$file") - $(wc -l <"$work/notes/original")))" = "$2"
    expect_not "$1: the RTC is left alone" grep -q '^[[:space:]]*dtoverlay=i2c-rtc[,[:space:]]' "$file"
    expect "$1: nothing is left over" test ! -e "$file.jaudiosync-new"
    cp "$file" "$work/notes/taken"
    inside "$prepare" take >/dev/null 2>&1
    expect "$1: twice is as once" cmp "$work/notes/taken" "$file"
    inside "$prepare" give-back >/dev/null 2>&1
    expect "$1: given back" cmp "$work/notes/original" "$file"
    expect "$1: no copy is left" test ! -e "$file.before-jaudiosync"
}

boot_config "as it comes" 4 '#dtparam=i2c_arm=on\ndtparam=audio=on\n'
boot_config "on already" 0 'dtparam=i2c_arm=on\n'
boot_config "on among others" 0 'dtparam=audio=on,i2c_arm=on\n'
boot_config "on by its short name" 0 'dtparam=i2c\n'
boot_config "on, then off" 4 'dtparam=i2c_arm=on\ndtparam=i2c_arm=off\n'
boot_config "off, then on" 0 'dtparam=i2c_arm=off\ndtparam=i2c_arm=on\n'
boot_config "on for one model only" 4 '[pi3]\ndtparam=i2c_arm=on\n'
boot_config "on for all after one model" 0 '[pi3]\narm_freq=1000\n[all]\ndtparam=i2c_arm=on\n'
boot_config "another bus" 4 'dtparam=i2c_vc=on\ndtparam=i2c_arm_baudrate=400000\n'
boot_config "another overlay" 0 'dtparam=i2c_arm=on\ndtoverlay=i2c-rtcx\ndtoverlay=i2c-gpio\n'
boot_config "an RTC for the kernel, twice" 0 'dtparam=i2c_arm=on\n[pi4]\ndtoverlay=i2c-rtc,ds3231\n[pi5]\n dtoverlay=i2c-rtc,pcf8523\n'
boot_config "no end of the last line" 5 'dtparam=audio=on'
boot_config "no end of the last line, on already" 0 'dtparam=i2c_arm=on\ndtoverlay=i2c-rtc,ds3231'
boot_config "empty" 4 ''
boot_config "lines as Windows ends them" 4 'dtparam=audio=on\r\ndtoverlay=i2c-rtc,ds3231\r\n'
boot_config "empty lines at the end" 4 'dtparam=audio=on\n\n\n'

# followed NAME BEFORE BELOW AFTER: what an owner writes below the block, and what remains when
# everything is given back.
followed() {
    local file=$root/boot/firmware/config.txt place
    printf '%b' "$2" | make_raspberry_pi
    inside "$prepare" take >/dev/null 2>&1
    place=$(grep -n '^# JAudioSync needs' "$file")
    printf '%b' "$3" >>"$file"
    inside "$prepare" take >/dev/null 2>&1
    expect "$1: our lines stay where they are" test "$(grep -n '^# JAudioSync needs' "$file")" = "$place"
    inside "$prepare" give-back >/dev/null 2>&1
    expect "$1: given back" same <(printf '%b' "$4") "$file"
}

followed "a card's overlay below a filter" '[pi4]\na=1\n' 'dtoverlay=hifiberry-dac\n' '[pi4]\na=1\n[all]\ndtoverlay=hifiberry-dac\n'
followed "the same without a filter" 'a=1\n' 'dtoverlay=hifiberry-dac\n' 'a=1\ndtoverlay=hifiberry-dac\n'
followed "the same after the end of a filter" '[pi4]\na=1\n[all]\n' 'b=1\n' '[pi4]\na=1\n[all]\nb=1\n'
followed "the same where the last line had no end" '[pi4]\na=1' 'b=1\n' '[pi4]\na=1\n[all]\nb=1\n'
followed "nothing but notes" '[pi4]\na=1\n' '\n# a note\n' '[pi4]\na=1\n\n# a note\n'
followed "the end of the filter, by the owner" '[pi4]\na=1\n' '# for all\n[all]\nb=1\n' '[pi4]\na=1\n# for all\n[all]\nb=1\n'
followed "another filter, as some count together" '[pi4]\na=1\n' '[gpio4=1]\nb=1\n' '[pi4]\na=1\n[all]\n[gpio4=1]\nb=1\n'
followed "an RTC for the kernel" '[pi4]\na=1\n' 'dtoverlay=i2c-rtc,ds3231\n' '[pi4]\na=1\n[all]\ndtoverlay=i2c-rtc,ds3231\n'

file=$root/boot/firmware/config.txt
printf '[pi4]\na=1\n' | make_raspberry_pi
inside "$prepare" take >/dev/null 2>&1
echo 'dtparam=i2c_arm=off' >>"$file"
inside "$prepare" take >/dev/null 2>&1
expect "turned off below our lines: they go to the end" test "$(tail -n 2 "$file" | head -n 1)" = 'dtparam=i2c_arm=on'
expect "turned off below our lines: once" count 1 '^# JAudioSync needs' boot/firmware/config.txt
inside "$prepare" give-back >/dev/null 2>&1
expect "turned off below our lines: given back" same <(printf '[pi4]\na=1\n[all]\ndtparam=i2c_arm=off\n') "$file"

printf '[pi4]\na=1\n' | make_raspberry_pi
inside "$prepare" take >/dev/null 2>&1
inside jaudiosync setup --yes --dac-overlay hifiberry-dac >/dev/null 2>&1
inside dpkg-reconfigure jaudiosync >/dev/null 2>&1
inside "$prepare" give-back >/dev/null 2>&1
expect "an overlay by setup is for every board still" same <(printf '[pi4]\na=1\n[all]\ndtoverlay=hifiberry-dac\n') "$file"

printf 'dtparam=audio=on\r\n' | make_raspberry_pi
inside "$prepare" take >/dev/null 2>&1
sed -i 's/\r*$/\r/' "$file"
inside "$prepare" give-back >/dev/null 2>&1
expect "saved by an editor of Windows meanwhile" test "$(od -c -An "$file" | tr -d ' \n')" = 'dtparam=audio=on\r\n'

printf 'dtparam=audio=on\n' | make_raspberry_pi
inside "$prepare" take >/dev/null 2>&1
sed -i '/^# End of/d' "$file"
echo 'dtparam=spi=on' >>"$file"
inside "$prepare" give-back >/dev/null 2>&1
expect "a block without its end takes nothing of the owner's with it" count 1 '^dtparam=spi=on' boot/firmware/config.txt

printf 'dtparam=audio=on\n' | make_raspberry_pi
mv "$root/boot/firmware/config.txt" "$root/boot/firmware/elsewhere"
ln -s elsewhere "$root/boot/firmware/config.txt"
inside "$prepare" take >/dev/null 2>&1
expect "a link stays one" test -L "$file"
expect "and what it leads to is changed" count 1 '^dtparam=i2c_arm=on' boot/firmware/elsewhere
