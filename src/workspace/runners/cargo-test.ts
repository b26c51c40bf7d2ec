import { cargoToolchain } from '../toolchains.ts';
import { compiledRunner } from './compiled.ts';
import type { RunnerOf } from './runner.ts';

/** Rust's tests: those in source files and those in `tests/`. */
export const cargoTest: RunnerOf = async (workspace) => {
  const { files, read } = workspace;
  if (!files.includes('Cargo.toml')) return null;
  const sources = files.filter((file) => file.endsWith('.rs'));
  const isOwn = (await Promise.all(sources.map(read))).some((text) => /#\[test\]/.test(text));
  if (!isOwn) return null;
  return compiledRunner({
    name: 'cargo test',
    format: 'cargo',
    command: 'exec cargo test --offline --tests --no-fail-fast -- -Z unstable-options --format json',
    toolchain: await cargoToolchain(),
    isTest: (file) => /(^|\/)tests\/.*\.rs$/.test(file),
    isConfiguration: (file) =>
      /(^|\/)(Cargo\.(toml|lock)|build\.rs|rust-toolchain(\.toml)?|tests\/.*)$/.test(file) ||
      /(^|\/)\.cargo\//.test(file),
    suites: () => ['.'],
  });
};
