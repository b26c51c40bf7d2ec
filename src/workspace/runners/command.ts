import { readHarness } from '../harness.ts';
import { nodeToolchain } from '../toolchains.ts';
import { installedPackages, isPackageConfiguration, isTestData, type TestRunner } from './runner.ts';

const isTest = (file: string): boolean =>
  /(^|\/)(tests?|specs?|__tests__)\//i.test(file) || /(^|\/)test[._-]|[._-](test|spec)\.[^/]+$/i.test(file);

const isConfiguration = (file: string): boolean =>
  isTest(file) ||
  isPackageConfiguration(file) ||
  isTestData(file) ||
  /(^|\/)(Makefile|[^/]+\.(toml|cfg|ini|mk)|[^/]+\.config\.[^/]+|\.[^/]*rc(\.[^/]+)?)$/.test(file);

/** Placeholder for a test file, in a command that is run once per file. */
const filePlaceholder = '{file}';

/**
 * A user's command that reports in TAP, the Test Anything Protocol, which most runners and many languages support. It
 * is run once per test file if it has a placeholder, otherwise once for all. It does not report calls, so every
 * function is tried with it.
 */
export async function commandRunner(root: string, command: string): Promise<TestRunner> {
  const toolchain = nodeToolchain();
  const harness = await readHarness('command.mjs', 'tap.mjs', 'common.mjs');
  return {
    name: command,
    stripTypes: false,
    isTest,
    isConfiguration,
    reportsCalls: false,
    suites: (files) => (command.includes(filePlaceholder) ? files.filter(isTest) : ['.']),
    version: `${toolchain.version} ${harness.version} ${command}`,
    job: (files) => ({
      job: {
        command: [toolchain.program, '--no-warnings', '../kit/command.mjs'],
        shown: [...toolchain.shown, ...installedPackages(root)],
        environment: toolchain.environment,
        files: harness.files,
      },
      input: { command, files, format: 'tap' },
    }),
  };
}
