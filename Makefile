# What one does with pg_opus. Each target is one script below scripts/; what they
# install goes to .build/, or nowhere near the system.

# The server that `make install` installs into: the pg_config of its version.
PG_CONFIG ?= pg_config

# The major version that `make package` is for.
PG ?= 18

.PHONY: help all demo demo-citus test soak bench install package psql stop clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1	/p' Makefile

demo: ## a server of its own with pg_opus in it, and a first load
	@scripts/demo

demo-citus: ## the same over three servers with Citus: make demo-citus PG_CONFIG=/path/of/pg_config
	@scripts/demo-citus "$(PG_CONFIG)"

test: ## all tests, on servers of their own
	@scripts/test

soak: ## the long runs of the random tests, and 10,000 loads in one session: hours
	@scripts/soak

bench: ## pg_opus beside other ways to load, in one run
	@bench/run

all: # what pgxn's client runs before `make install`
	@STAGE_ONLY=1 scripts/install-into "$(PG_CONFIG)"

install: ## into your server: make install PG_CONFIG=/path/of/pg_config
	@scripts/install-into "$(PG_CONFIG)"

package: ## a tarball and a .deb in .build/dist: make package PG=18
	@scripts/package "$(PG)"

psql: ## a prompt on the server of make demo
	@scripts/server psql demo

stop: ## stops the server of make demo
	@scripts/server stop demo

clean: ## deletes the servers and target/; what was fetched stays
	@scripts/clean
