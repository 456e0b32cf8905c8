# The verbs that a newcomer types. Each hands over to tools/accentos; `make help` lists them.
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help lab lab-down init check test test-quick test-long bench

help: ## show this list
	@tools/accentos help

# The shell has UNTIL from make's command line or the environment; so it may hold spaces, and nothing in it is run. An empty one
# is handed over, too: it is a mistake that is told.
lab: ## make a cloud with guests on this machine; UNTIL=hosts ends with hosts ready for the playbooks
	@tools/accentos lab $${UNTIL+"$$UNTIL"}

lab-down: ## remove the lab
	@tools/accentos lab-down

# SITE and ANSWERS go the way of UNTIL.
init: ## make the folder of a new site: make init SITE=inventories/production ANSWERS=answers.yml
	@tools/accentos init "$${SITE-inventories/production}" $${ANSWERS+"$$ANSWERS"}

# So does SITE here.
check: ## check a site folder without touching a host: make check SITE=inventories/lab
	@tools/accentos check $${SITE+"$$SITE"}

test: ## run all tests, those that need containers included
	@tools/accentos test

test-quick: ## run the tests that need neither containers nor much time, in less than three minutes
	@tools/accentos test-quick

test-long: ## run the tests of clouds and bare machines that take too long for every change
	@tools/accentos test-long

# So does ONLY.
bench: ## measure on a quiet machine and add the figures to docs/benchmarks.md: make bench ONLY=lab
	@tools/accentos bench $${ONLY+"$$ONLY"}
