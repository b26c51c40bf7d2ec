import path from 'node:path';
import { goToolchain } from '../toolchains.ts';
import { compiledRunner } from './compiled.ts';
import type { RunnerOf } from './runner.ts';

const isTest = (file: string): boolean => file.endsWith('_test.go');

/** Go's tests, one package at a time. */
export const goTest: RunnerOf = async ({ root, files }) => {
  if (!files.includes('go.mod') || !files.some(isTest)) return null;
  const { cache, ...toolchain } = await goToolchain(root);
  return compiledRunner({
    name: 'go test',
    format: 'go',
    // Go writes to its cache, so each run has a copy.
    command: 'cp -R /go-build "$GOCACHE" && exec go test -json -vet=off {file}',
    toolchain,
    shown: [{ host: cache, inside: 'go-build' }],
    isTest,
    isConfiguration: (file) =>
      isTest(file) || /(^|\/)(go\.(mod|sum|work)|testdata\/.*)$/.test(file) || file.startsWith('vendor/'),
    suites: (all) => [...new Set(all.filter(isTest).map((file) => `./${path.dirname(file)}`))],
  });
};
