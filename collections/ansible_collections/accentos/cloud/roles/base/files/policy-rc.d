#!/bin/sh
# Written by AccentOS. A package starts or restarts a unit that is named in /etc/accentos/start-policy.d only if it runs
# already: one that is not configured yet must not start. Arguments: the unit, then the action.
case "$2" in
    *start*) ;;
    *) exit 0 ;;
esac
case "$1" in
    *.*) unit=$1 ;;
    *) unit=$1.service ;;
esac
grep -qsxF "$unit" /etc/accentos/start-policy.d/* || exit 0
systemctl --quiet is-active "$unit" && exit 0
exit 101
