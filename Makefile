# Every target prepares what it needs, then does its work; with nothing to do that costs a few hundredths of a second.
# The build itself is in meson.build, the set-up in scripts/setup, what the tests are in scripts/run-tests.

.POSIX:
.PHONY: all program run test test-aws screenshots bench fuzz soak lint format install deb deb-test clean help

# where `make install` puts things; DESTDIR is for packagers
PREFIX = /usr/local
DESTDIR =

all: program

program: ## build build/pregao (also just `make`); WEB=no leaves the front end out
	@scripts/setup build
	@scripts/build-web
	@scripts/compile build -- pregao

run: program ## one pass over a session, live or else the sample: fetch, raw, trigger, job, refined, catalog
	@build/pregao run --input auto

test: ## all tests, plain and again under the sanitizers
	@scripts/setup test
	@scripts/build-web
	@scripts/run-tests

test-aws: ## the tests that need servers on this machine in AWS's place
	@scripts/setup test-aws
	@scripts/run-test-aws

screenshots: program ## pictures of every view into build/screenshots, those of the README into docs/screenshots; wants chromium
	@scripts/setup test
	@SCREENSHOTS=$$PWD/build/screenshots build/venv/bin/pytest -q tests/e2e -k every_view
	@for view in painel-light workbook-dark jobs-light bitcoin-dark; do cp build/screenshots/$$view-1360.png docs/screenshots/$$view.png; done

bench: program ## the benchmarks against peers
	@scripts/setup bench
	@bench/run

fuzz: ## each fuzz target for FUZZ_SECONDS (30)
	@scripts/setup fuzz
	@scripts/run-fuzz

soak: program ## the long tests, for SOAK_SECONDS (600)
	@scripts/setup test
	@scripts/run-soak

lint: ## format, clang-tidy, a clang build, banned and unused functions, imports, shellcheck
	@scripts/setup lint
	@scripts/run-lint

format: ## put every C file into the form that lint wants
	@scripts/setup lint
	@git ls-files --cached --others --exclude-standard 'src/*.[ch]' 'tests/*.[ch]' | xargs clang-format -i

install: ## the program, its library, manual, completions, systemd unit, docs: PREFIX (/usr/local), DESTDIR
	@scripts/setup build
	@scripts/build-web
	@scripts/compile build-package -Dinstalled=true -- pregao
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' packaging/install

deb: ## a Debian package in build/
	@scripts/setup build
	@scripts/build-web
	@scripts/compile build-package -Dinstalled=true -- pregao
	@packaging/deb

deb-test: deb ## install the Debian package in a clean minimal root, use it there, remove it
	@scripts/setup deb-test || true # without, the test says that it is skipped
	@scripts/run-deb-test

clean: ## remove all that was built (downloads stay in the cache folder)
	rm -rf build build-*

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1|/p' Makefile | column -t -s '|' 2>/dev/null || grep '##' Makefile
