# A Raspberry Pi OS with cloud-init and NetworkManager: cloud-init sets up the card on the first
# boot and does not run again, the Wi-Fi saves no power, an owner's own setting wins, and purging
# gives both back.

make_raspberry_pi <<<'dtparam=i2c_arm=on'
without_board "$root"
rm -f "$root/etc/systemd/system/multi-user.target.wants/ssh.service"
# It finds its data in no network and on no disk, and has little to do.
rm -f "$root/etc/cloud/cloud.cfg.d/"*
cat >"$root/etc/cloud/cloud.cfg.d/99-test.cfg" <<'CFG'
datasource_list: [ None ]
network: { config: disabled }
cloud_init_modules: []
cloud_config_modules: []
cloud_final_modules: [ final_message ]
CFG
rm -rf "$root/var/lib/cloud"
# There is no network here, for which it would wait half a minute; only how NetworkManager is set is
# looked at.
for unit in NetworkManager NetworkManager-wait-online; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit.service"
done
finished=/var/lib/cloud/instance/boot-finished

expect "it installs before the first boot" install_package
units=$(cd "$root/usr/lib/systemd/system" && ls -d cloud-*.service | grep -v hotplugd)
expect "every unit of cloud-init's early boot has its drop-in" test -z "$(for unit in $units; do
    [[ -e $root/usr/lib/systemd/system/$unit.d/jaudiosync.conf ]] || echo "$unit"
done)"
goes() { inside systemd-analyze condition --unit="$1" 2>&1; }
held_back() { not goes "$1"; }
for unit in $units; do
    expect "the first boot is not done: $unit runs" goes "$unit"
done

wifi() { inside NetworkManager --print-config | grep -x "wifi.powersave=$1"; }
expect "the Wi-Fi saves no power" wifi 2
expect "the setting is the package's" test "$(readlink "$root/etc/NetworkManager/conf.d/00-jaudiosync-wifi.conf")" = /usr/lib/jaudiosync/wifi-without-power-saving.conf
printf '[connection]\nwifi.powersave = 3\n' >"$root/etc/NetworkManager/conf.d/mine.conf"
expect "an owner's setting wins" wifi 3
expect "and the package leaves it alone" inside dpkg-reconfigure jaudiosync
expect "without a setting of its own" test ! -e "$root/etc/NetworkManager/conf.d/00-jaudiosync-wifi.conf"
rm "$root/etc/NetworkManager/conf.d/mine.conf"
printf '[connection]\nwifi.powersave = 3\n' >"$root/etc/NetworkManager/conf.d/00-jaudiosync-wifi.conf"
expect "nor touches an owner's file by that name" inside dpkg-reconfigure jaudiosync
expect "which still is in effect" wifi 3
rm "$root/etc/NetworkManager/conf.d/00-jaudiosync-wifi.conf"
expect "when it has gone" inside dpkg-reconfigure jaudiosync
expect "the Wi-Fi saves no power again" wifi 2

if boot "$root"; then
    soon() { for _ in {1..300}; do if "$@"; then return; fi; sleep 0.1; done; in_box "$root" journalctl --no-pager -n 30; false; }
    ran() { [[ $(in_box "$root" systemctl show -P ConditionResult "$1") = yes ]]; }
    expect "cloud-init sets up the card" soon in_box "$root" test -e "$finished"
    expect "in its unit" ran cloud-init-local.service
    expect "the service runs" in_box "$root" systemctl --quiet is-active jaudiosync.service
    # All that systemd orders before the service, of every unit that it knows.
    in_box "$root" systemctl list-dependencies --after --all --plain --no-pager jaudiosync.service >"$work/notes/order"
    expect "the order is known" grep -q 'local-fs.target' "$work/notes/order"
    expect_not "nothing of cloud-init, the network or a time service comes before the service" \
        grep -iE 'cloud|network\.target|network-|networkd|networking|NetworkManager|wait-online|time-s|timesync|sysinit|basic\.target' "$work/notes/order"
    end_box "$root"
    boot "$root" || return
    expect "on the second boot the service runs" soon in_box "$root" systemctl --quiet is-active jaudiosync.service
    for unit in $units; do
        expect "and $unit does not" not ran "$unit"
    done
    end_box "$root"
    # cloud-init's own conditions look at the kernel's command line.
    mount -t proc proc "$root/proc"
else
    mkdir -p "$root${finished%/*}" && touch "$root$finished"
fi
for unit in $units; do
    expect "the first boot is done: $unit does not run" held_back "$unit"
done

rm -rf "$root/var/lib/cloud/instance"
expect "after cloud-init clean it would set up the card again" goes cloud-init-local.service
expect "it is removed" inside dpkg -r jaudiosync
expect "cloud-init is given back" goes cloud-final.service
expect_not "and the Wi-Fi" wifi 2
expect "it installs again" inside dpkg --force-confold -i /root/jaudiosync.deb
expect "with the Wi-Fi" wifi 2
expect "it is purged" inside dpkg -P jaudiosync
expect "nothing of it is left" test -z "$(find "$root/etc" "$root/usr" -name '*jaudiosync*' -not -path '*/jaudiosync.service.d*')"
