# jaudiosync-card on a box whose card is only read: an overlay as packaging/card/overlay-init lays it, on
# a card that is memory. How the box starts with it is tested in the emulated Pi.

card=$work/notes/card
memory=$work/notes/memory
box=$work/notes/box
word=init=/usr/local/sbin/jaudiosync-overlay
words='console=tty1 root=PARTUUID=4e639091-02 rootwait'

install -m 755 packaging/card/jaudiosync-card "$root/usr/local/sbin/"
install -m 755 packaging/card/overlay-init "$root/usr/local/sbin/jaudiosync-overlay"
make_raspberry_pi <<<'dtparam=audio=on'
echo 'a91e2f5ec7b94f5c8a9c5d1e3f2b4a60' >"$root/etc/machine-id"
plain() { inside /usr/local/sbin/jaudiosync-card "$@"; }

# The box is sealed once, by a word in cmdline.txt, and not again after its owner has deleted that.
seal() { mkdir -p "$root/var/lib/jaudiosync-first-boot" && touch "$root/var/lib/jaudiosync-first-boot/seal" && plain seal; }
cmdline() { [[ $(cat "$root/boot/firmware/cmdline.txt") = "$1" ]] || { cat "$root/boot/firmware/cmdline.txt" && false; }; }
echo "$words" >"$root/boot/firmware/cmdline.txt"
exits() { local code=$1 && shift && "$@"; [[ $? = "$code" ]]; }
expect "help is not misuse" plain --help
expect "an unknown word is" exits 2 plain open
expect "at first the card is written to" grep -q 'written to as usual' <(plain status)
expect_not "it is not closed unasked" plain seal
expect "it is closed" seal
expect "by a word" cmdline "$words $word"
expect "from the next start on" grep -q 'from the next start' <(plain status)
echo "$words" >"$root/boot/firmware/cmdline.txt"
expect_not "not again without being asked" plain seal
expect "it is as its owner has left it" cmdline "$words"
printf '%s systemd.run=/boot/firmware/firstrun.sh systemd.unit=kernel-command-line.target\r\n' "$words" >"$root/boot/firmware/cmdline.txt"
expect "beside a script that removes all behind its own words" seal
expect "the word comes first" cmdline "$words $word systemd.run=/boot/firmware/firstrun.sh systemd.unit=kernel-command-line.target"
echo "$words init=/bin/other" >"$root/boot/firmware/cmdline.txt"
expect_not "another first program stays" seal
expect "as it is" cmdline "$words init=/bin/other"
: >"$root/etc/machine-id"
echo "$words" >"$root/boot/firmware/cmdline.txt"
expect_not "a system that has no id yet is not closed" seal
expect_not "nothing is kept where nothing is forgotten" plain keep /etc/hostname

mkdir "$card" "$memory" "$box"
mount -t tmpfs -o mode=755 card "$card"
tar -C "$root" --exclude='./dev/*' --exclude='./proc/*' --one-file-system -cf - . | tar -C "$card" -xf -
mount -o remount,ro "$card"
mount -t tmpfs -o mode=755 memory "$memory"
mkdir "$memory/upper" "$memory/work"
if ! mount -t overlay -o "lowerdir=$card,upperdir=$memory/upper,workdir=$memory/work" overlay "$box" 2>"$work/notes/output"; then
    skip "no overlay can be mounted here: $(tail -n 1 "$work/notes/output")"
    umount "$memory" "$card"
    return
fi
mkdir -p "$box/media/root-ro"
mount --bind "$card" "$box/media/root-ro"
mount -o remount,bind,ro "$box/media/root-ro"
for folder in proc dev; do mount --rbind "$root/$folder" "$box/$folder"; done
mount -t tmpfs -o mode=755 run "$box/run"
in_it() { chroot "$box" /usr/bin/env -i PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@"; }
# The card cannot be written to, by anybody, and nothing of it is mounted elsewhere.
closed() {
    local options
    options=$(awk -v place="$card" '$5 == place { print $6 "," $NF }' /proc/self/mountinfo)
    [[ ,$options, = *,ro,* ]] && ! touch "$card/x" 2>/dev/null && ! touch "$box/media/root-ro/x" 2>/dev/null &&
        [[ $(grep -c " $box/media/root-ro" /proc/self/mountinfo) = 1 ]]
}

expect "the card is only read" grep -q 'is only read' <(in_it jaudiosync-card status)
expect "nothing can be written to it" closed
echo 'own' | tee "$box/etc/jaudiosync-test" >"$box/root/a note"
mkdir -p "$box/etc/networks.d/deep" && echo secret >"$box/etc/networks.d/deep/home" && chmod 600 "$box/etc/networks.d/deep/home"
# What the start makes in memory: kept, it would be there without the overlay, too.
in_it sh -c 'echo "# of the overlay" >/etc/fstab; mkdir -p /etc/systemd/system
    ln -sf /dev/null /etc/systemd/system/fstrim.timer; touch /etc/jaudiosync-beside'
fstab=$(md5sum <"$card/etc/fstab" 2>/dev/null)
expect "all of /etc is kept" in_it jaudiosync-card keep /etc
expect "with what is new" test -e "$card/etc/jaudiosync-beside"
expect "but not what the start makes" test "$(md5sum <"$card/etc/fstab" 2>/dev/null)" = "$fstab" -a ! -L "$card/etc/systemd/system/fstrim.timer"
expect_not "nor by its name" in_it jaudiosync-card keep /etc/fstab
expect "a file is kept" in_it jaudiosync-card keep /etc/jaudiosync-test '/root/a note'
expect "on the card" grep -q own "$card/root/a note"
expect "a folder" in_it sh -c 'cd /etc && jaudiosync-card keep networks.d'
expect "with the modes of its files" test "$(stat -c %a "$card/etc/networks.d/deep/home")" = 600
rm "$box/etc/networks.d/deep/home"
expect "what is gone" in_it jaudiosync-card keep /etc/networks.d
expect "is gone there" test ! -e "$card/etc/networks.d/deep/home"
rm "$box/etc/jaudiosync-test"
expect "so is a file" in_it jaudiosync-card keep /etc/jaudiosync-test
expect "that was deleted" test ! -e "$card/etc/jaudiosync-test"
for path in / /boot/firmware/config.txt /tmp/x /var/lib/jaudiosync; do
    expect_not "$path is not of the card's system" in_it jaudiosync-card keep $path
done
expect "the card is closed again" closed

expect "a command runs on the card" in_it jaudiosync-card run sh -c 'echo by command >/etc/made && test -x /usr/sbin/policy-rc.d'
expect "and changes it" grep -q 'by command' "$card/etc/made"
expect_not "services may be started again" test -L "$card/usr/sbin/policy-rc.d"
expect "a command that fails says so" exits 7 in_it jaudiosync-card run sh -c 'exit 7'
expect "the card is closed after that, too" closed
printf '#!/bin/sh\nkill -TERM $PPID\n' >"$box/tmp/ends" && chmod 755 "$box/tmp/ends"
expect_not "or that ends what has begun it" in_it jaudiosync-card run sh -c '/tmp/ends; sleep 1'
expect "and after that" closed
cp "$root/root/jaudiosync.deb" "$box/tmp/"
expect "the package is installed on the card" in_it jaudiosync-card run dpkg --install /tmp/jaudiosync.deb
expect "whole" grep -q '^ii' <(chroot "$card" dpkg-query --show --showformat '${db:Status-Abbrev}' jaudiosync)
expect "and closed" closed

is_mono() { grep -q '^channels = "mono"' "$1/etc/jaudiosync/config.toml"; }
set_up=$(in_it jaudiosync setup --yes --mono 2>&1 || echo failed)
expect "setup says that its changes are lost at a restart" grep -q 'jaudiosync-card run jaudiosync setup' <<<"$set_up"
expect "they are in memory" is_mono "$box"
expect_not "not on the card" is_mono "$card"
echo pedals12 >"$box/tmp/passphrase"
set_up=$(in_it jaudiosync-card run jaudiosync setup --yes --mono --wifi-ssid Ride --wifi-passphrase-file /tmp/passphrase 2>&1 || echo failed)
expect_not "on the card setup works, and says nothing of that" grep -q 'lost at the next restart\|failed' <<<"$set_up"
expect "its changes stay" is_mono "$card"
expect "and it is closed again" closed

# What is in use on the running system still lies on the card after it was replaced there.
expect "a program" in_it jaudiosync-card run cp /bin/sleep /usr/local/bin/tool
tool=$(in_it sh -c 'exec /usr/local/bin/tool 600 >/dev/null 2>&1 & echo $!')
for _ in {1..300}; do
    if [[ $(readlink "/proc/$tool/exe") = */tool ]]; then break; fi
    sleep 0.1
done
replaced=$(in_it jaudiosync-card run sh -c 'cp /bin/sleep /usr/local/bin/new && mv /usr/local/bin/new /usr/local/bin/tool' 2>&1)
expect "that runs is replaced, which asks for a restart" grep -q 'start the box again' <<<"$replaced"
kill "$tool"
for _ in {1..300}; do
    if [[ ! -e /proc/$tool/exe ]]; then break; fi
    sleep 0.1
done
expect "once it has ended" in_it jaudiosync-card run true
expect "the card is closed" closed

awk -v below="$box/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo | sort --reverse | xargs --no-run-if-empty umount --lazy
umount "$box" "$memory" "$card"
