# A running Raspberry Pi OS with systemd: which services are started, stopped and restarted. The
# real service in its real unit, except for the right to set the clock, which nothing here has.

make_raspberry_pi <<<'dtparam=i2c_arm=on'
without_board "$root"
# Stands for another program that keeps the clock.
cat >"$root/etc/systemd/system/chrony.service" <<'UNIT'
[Service]
ExecStart=/usr/bin/sleep infinity
[Install]
WantedBy=multi-user.target
UNIT
ln -s ../chrony.service "$root/etc/systemd/system/multi-user.target.wants/chrony.service"
rm -f "$root/etc/systemd/system/multi-user.target.wants/ssh.service"
boot "$root" || return
inside() { in_box "$root" "$@"; }

# Soon: within five seconds.
soon() { for _ in {1..50}; do if "$@"; then return; fi; sleep 0.1; done; inside journalctl --no-pager -n 20; false; }
is_active() { inside systemctl --quiet is-active "$1.service"; }
main_pid() { inside systemctl show -P MainPID jaudiosync.service; }
answers() { inside jaudiosync status; }

expect "another program keeps the clock" is_active chrony
expect "it installs" install_package
expect "the service runs" is_active jaudiosync
expect "and answers" soon answers
expect "what sets the clock at boot harms nothing where it cannot" is_active jaudiosync-clock
expect "and says why it cannot" grep -q 'no RTC to set it from' <(inside journalctl --no-pager -u jaudiosync-clock.service)
comes_before() { [[ " $(inside systemctl show -P Before "$1") " = *" $2 "* ]]; }
for later in timers.target time-set.target jaudiosync.service; do
    expect "it comes before $later" comes_before jaudiosync-clock.service $later
done
expect_not "pins that this machine lacks are no warning" grep "Couldn't stat device.*gpiomem" <(inside journalctl --no-pager)
expect "and answers members of its group" inside setpriv --reuid nobody --regid jaudiosync --clear-groups jaudiosync status
expect_not "but nobody else" inside setpriv --reuid nobody --regid nogroup --clear-groups jaudiosync status
# The state on another partition, within the unit's sandbox.
printf '[state]\nfolder = "/srv/jaudiosync/state"\n' >"$root/etc/jaudiosync/config.toml"
inside systemctl restart jaudiosync.service
expect "with its state elsewhere it answers" soon answers
expect "and takes a volume" inside jaudiosync volume 35
remembers_elsewhere() { inside test -s /srv/jaudiosync/state/volume.json; }
expect "which it saves there" soon remembers_elsewhere
inside rm -r /srv/jaudiosync/state/volume.json
rm "$root/etc/jaudiosync/config.toml"
expect_not "the other program is stopped" is_active chrony
expect "but stays enabled" inside systemctl is-enabled chrony.service
inside systemctl start chrony.service
expect_not "nor does it start by hand" is_active chrony

before=$(main_pid)
make_version newer 9999-1 ''
expect "a newer version installs" install_package /root/newer.deb
expect "the service runs" is_active jaudiosync
expect_not "and is the new one" test "$(main_pid)" = "$before"

# In its sandbox the service knows which boot this is, and why systemd has restarted it.
last_ride() { inside "${@:2}" jaudiosync doctor --last-ride | grep -q "$1"; }
expect "the flight recorder has the ride" soon last_ride 'last entry: still on'
inside sh -c 'kill -KILL $(systemctl show -P MainPID jaudiosync.service)'
expect "and why the service was restarted" soon last_ride 'it was ended by SIGKILL'
expect "also for members of its group" last_ride SIGKILL setpriv --reuid nobody --regid jaudiosync --clear-groups
expect_not "but for nobody else" last_ride SIGKILL setpriv --reuid nobody --regid nogroup --clear-groups
expect "who learns why" grep -q 'a member of the group jaudiosync' \
    <(inside setpriv --reuid nobody --regid nogroup --clear-groups jaudiosync doctor --last-ride 2>&1)

# The page, on the port that systemd opens for the service, and closes with it.
asks_page() {
    local ask='GET /manifest.webmanifest HTTP/1.0\r\nHost: localhost\r\n\r\n'
    inside bash -c "exec 3<>/dev/tcp/127.0.0.1/80 && printf '$ask' >&3 && timeout 5 cat <&3" 2>/dev/null | grep -q JAudioSync
}
expect_not "without a ride's key there is no page" asks_page
printf '[time]\nrtc = "simulated"\n[board]\nkind = "none"\n' >"$root/boot/firmware/jaudiosync.toml"
inside jaudiosync ride new-key --write >/dev/null
inside systemctl restart jaudiosync.service
expect "with one it is on port 80" soon asks_page
inside sh -c 'kill -KILL $(systemctl show -P MainPID jaudiosync.service)'
expect "also after a crash" soon asks_page
inside systemctl stop jaudiosync.service
expect_not "a phone is refused where the service was stopped" asks_page
expect_not "and does not start it" is_active jaudiosync
inside systemctl start jaudiosync.service
expect "the page comes back with it" soon asks_page
rm "$root/etc/jaudiosync/ride.key"
without_board "$root"

# A USB stick: mounted by a unit of its own, and seen by the service in its sandbox. A loop device stands
# for it, as udev does not run here; so the unit goes without what binds it to udev's devices.
cp -r Music "$root/root/stick"
inside rm /root/stick/Playlist.m3u8
inside sh -c 'truncate -s 64M /root/stick.img && mke2fs -q -t ext4 -L RIDE -d /root/stick /root/stick.img'
if loop=$(losetup --find --show "$root/root/stick.img") && inside mknod "$loop" b 7 "${loop#/dev/loop}"; then
    sed '/dev-%i.device/d; s/^DeviceAllow=.*/DeviceAllow=block-loop r/' "$root/usr/lib/systemd/system/jaudiosync-stick@.service" \
        >"$root/etc/systemd/system/test-stick@.service"
    unit=test-stick@${loop##*/}.service
    inside systemctl daemon-reload
    said() { inside jaudiosync status | grep -q "$1"; }
    is_mounted() { inside grep -q "^$loop /run/jaudiosync-stick/RIDE-[^ ]* ext4 ro,nosuid,nodev,noexec" /proc/mounts; }
    inside systemctl start "$unit"
    expect_not "without playlist.stick no stick is mounted" is_mounted
    expect_not "which is no failure" inside systemctl --quiet is-failed "$unit"
    printf '[playlist]\nstick = true\n' >"$root/etc/jaudiosync/config.toml"
    inside systemctl restart jaudiosync.service
    expect "the service runs with it" soon answers
    inside systemctl start "$unit"
    expect "with it the stick is mounted, for reading alone" is_mounted
    expect "and taken" soon said 'RIDE-[0-9a-f]* is taken, with'
    expect "its index is in the state folder" inside test -s /var/lib/jaudiosync/stick.index.json
    inside systemctl stop "$unit"
    expect_not "pulled out, it is not mounted" is_mounted
    expect "nothing is left of it" test -z "$(inside ls /run/jaudiosync-stick)"
    expect "and the box has its own music again" soon said 'from /srv/jaudiosync/Music'
    expect_not "no stick is shown" said '^stick'
    inside rm /etc/jaudiosync/config.toml
else
    echo "SKIPPED $scenario: USB sticks: there are no loop devices here"
fi
[[ ! $loop ]] || losetup --detach "$loop"
inside rm -rf /root/stick /root/stick.img

inside systemctl --quiet disable --now jaudiosync.service
expect "a service that the owner disabled" install_package /root/newer.deb
expect_not "is not started" is_active jaudiosync
inside systemctl --quiet enable --now jaudiosync.service

# The program ends with this code, whatever else it would do.
ends_with() {
    printf '[Service]\nType=simple\nExecStart=\nExecStart=/bin/sh -c "exit %s"\n' "$1" \
        >"$root/etc/systemd/system/jaudiosync.service.d/end.conf"
    inside systemctl daemon-reload
    inside systemctl restart jaudiosync.service
}
has_started_again() { [[ $(inside systemctl show -P NRestarts jaudiosync.service) -ge 3 ]]; }
is_off() { [[ ! $(systemd_of "$root") ]]; }

ends_with 1
expect "a program that fails is started again and again" soon has_started_again
expect_not "and does not switch the box off" is_off
ends_with 100
expect "a program that ends with 100 switches the box off" soon is_off
end_box "$root"
rm "$root/etc/systemd/system/jaudiosync.service.d/end.conf"

# A partition for the state that cannot be mounted, and one for the music that is read-only.
mount_at() {
    local unit=$root/etc/systemd/system/$(inside systemd-escape --path --suffix=mount "$1")
    printf '[Unit]\nBefore=local-fs.target\n[Mount]\nWhat=%s\nType=%s\nWhere=%s\nOptions=%s\n' "$2" "$3" "$1" "$4" >"$unit"
    mkdir -p "$root/etc/systemd/system/local-fs.target.wants"
    ln -s "$unit" "$root/etc/systemd/system/local-fs.target.wants/${unit##*/}"
}
mount -t proc proc "$root/proc"
inside() { chroot "$root" "$@"; }
mount_at /var/lib/jaudiosync memory tmpfs size=nonsense
cp -r Music "$root/root/card"
mount_at /srv/jaudiosync/Music /root/card none bind,ro
inside() { in_box "$root" "$@"; }

boot "$root" || return
expect "switched on again, the service runs" soon is_active jaudiosync
expect "without the partition for its state" inside systemctl --quiet is-failed var-lib-jaudiosync.mount
expect "with a Music folder that is read-only" inside test ! -w /srv/jaudiosync/Music
expect_not "which is no error of the boot" grep -iE 'tmpfiles.*(failed|srv)' <(inside journalctl --no-pager -b)
expect "and answers" soon answers
remembers_tracks() { inside grep -qs 'Tail Lights' /var/lib/jaudiosync/index.json; }
expect "it saves what it knows of that music with its state" soon remembers_tracks
expect_not "and does not complain" grep -q 'cannot be written' <(inside jaudiosync status)
inside umount /srv/jaudiosync/Music
rm "$root"/etc/systemd/system/{,local-fs.target.wants/}{var-lib-jaudiosync,srv-jaudiosync-Music}.mount
expect "it was switched off as it should be" grep -q 'Reached target poweroff.target' <(inside journalctl --no-pager)

expect "it is purged" inside dpkg -P jaudiosync
expect_not "the service is gone" is_active jaudiosync
expect "the other program keeps the clock again" is_active chrony
expect "nothing has failed" test -z "$(inside systemctl list-units --failed --no-legend jaudiosync.service chrony.service)"

end_box "$root"
