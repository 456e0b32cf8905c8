# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Brings the OSDs of a Ceph host back when it boots. The standard library only."""
