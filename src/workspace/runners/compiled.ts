import type { SandboxLimits } from '../../sandbox/limits.ts';
import type { ShownPath } from '../../sandbox/sandbox.ts';
import { readHarness } from '../harness.ts';
import { nodeToolchain, type Toolchain } from '../toolchains.ts';
import type { TestRunner } from './runner.ts';

/** Tests that are compiled for every run, by a command that reports one event per line. */
export interface CompiledTests extends Pick<TestRunner, 'name' | 'isTest' | 'isConfiguration' | 'suites'> {
  /** File in `harness/` that reads the report. */
  readonly format: 'go' | 'cargo';
  readonly command: string;
  readonly toolchain: Toolchain;
  readonly shown?: readonly ShownPath[];
}

/** Compiling takes longer than the tests, and writes more. */
const limits: Partial<SandboxLimits> = {
  seconds: 120,
  cpuSeconds: 60,
  memoryMiB: 2048,
  scratchMiB: 1024,
  fileMiB: 256,
  openFiles: 1024,
};

/** Node runs the command inside the sandbox. The functions that tests call are not reported. */
export async function compiledRunner({
  format,
  command,
  toolchain,
  shown = [],
  ...about
}: CompiledTests): Promise<TestRunner> {
  const node = nodeToolchain();
  const harness = await readHarness('command.mjs', `${format}.mjs`, 'common.mjs');
  return {
    ...about,
    stripTypes: false,
    reportsCalls: false,
    limits,
    version: `${toolchain.version} ${harness.version} ${command}`,
    job: (files) => ({
      job: {
        command: [node.program, '--no-warnings', '../kit/command.mjs'],
        shown: [...node.shown, ...toolchain.shown, ...shown],
        environment: { ...node.environment, ...toolchain.environment },
        files: harness.files,
      },
      input: { command, files, format },
    }),
  };
}
