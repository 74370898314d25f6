# Which program may keep the clock: the configuration decides, also the one on the boot partition,
# and also later.

make_raspberry_pi <<'TXT'
dtparam=i2c_arm=on
dtoverlay=i2c-rtc,ds3231
TXT
boot=$root/boot/firmware
cp "$boot/config.txt" "$work/notes/config.txt"
flag=$root/etc/jaudiosync/keeps-the-clock

printf '[time]\nsource = "system"\n' >"$boot/jaudiosync.toml"
expect "it installs where another program keeps the clock" install_package
expect "nothing is taken away" test ! -e "$flag"
expect "the boot configuration is left alone" same "$work/notes/config.txt" "$boot/config.txt"

printf '[time]\nset_system_clock = false\n' >"$boot/jaudiosync.toml"
expect "the RTC for itself, the system clock for others" inside dpkg-reconfigure jaudiosync
expect "the kernel does not get the RTC" count 1 '^#taken by JAudioSync# dtoverlay=i2c-rtc' boot/firmware/config.txt
expect "the clock is left to others" test ! -e "$flag"

printf '[time]\nrtc = "none"\n' >"$boot/jaudiosync.toml"
expect "the clock for itself, without an RTC" inside dpkg-reconfigure jaudiosync
expect "the boot configuration is given back" same "$work/notes/config.txt" "$boot/config.txt"
expect "and its copy is gone" test ! -e "$boot/config.txt.before-jaudiosync"
expect "the clock is taken" test -e "$flag"

rm "$boot/jaudiosync.toml"
expect "both" inside dpkg-reconfigure jaudiosync
expect "both are taken" test "$(grep -c "^#taken by JAudioSync# dtoverlay=i2c-rtc" "$boot/config.txt")" = 1 -a -e "$flag"
expect "I2C was on already" count 1 'i2c_arm' boot/firmware/config.txt

expect "setup hands the clock on the header back" inside jaudiosync setup --yes --rtc none
expect "the boot configuration is given back" same "$work/notes/config.txt" "$boot/config.txt"
expect "setup takes it again" inside jaudiosync setup --yes --rtc ds3231
expect "once" count 1 '^#taken by JAudioSync# dtoverlay=i2c-rtc' boot/firmware/config.txt
expect "and then has nothing to do" grep -q 'nothing to do' <(inside jaudiosync setup --yes --rtc ds3231)

echo 'nonsense = [' >"$root/etc/jaudiosync/config.toml"
expect "a damaged configuration does not stop it" inside dpkg-reconfigure jaudiosync
expect "purging gives back" inside dpkg -P jaudiosync
expect "the boot configuration is as it was" same "$work/notes/config.txt" "$boot/config.txt"
expect "the clock is free" test ! -e "$flag"
