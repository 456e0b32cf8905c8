# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The service that arms machines for their installation, hands out specifications, and hears how it goes."""
