# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs in the deploy ramdisk: takes inventory, and installs the machine that it runs on as its specification says.

Standard library only: the ramdisk carries no other Python package.
"""
