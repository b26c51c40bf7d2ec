import { readHarness } from '../harness.ts';
import { nodeToolchain } from '../toolchains.ts';
import { installed, isPackageConfiguration, isTestData, type RunnerOf } from './runner.ts';

const isTest = (file: string): boolean =>
  /(\.|-|_)(test|spec)\.[cm]?js$/.test(file) || /(^|\/)(tests?|spec)\/.+\.[cm]?js$/.test(file);

/** The workspace's installed mocha, with its configuration. */
export const mocha: RunnerOf = async ({ root, files, usesRunner }) => {
  if (!usesRunner('mocha')) return null;
  if (!files.some(isTest)) return null;
  const packages = installed(root, 'mocha');
  const toolchain = nodeToolchain();
  const harness = await readHarness('mocha.mjs', 'common.mjs');
  return {
    name: 'mocha',
    stripTypes: false,
    isTest,
    isConfiguration: (file) =>
      isTest(file) || isPackageConfiguration(file) || isTestData(file) || /(^|\/)\.mocharc\.[^/]+$/.test(file),
    version: `${toolchain.version} ${harness.version}`,
    job: (testFiles, coverage) => ({
      job: {
        command: [toolchain.program, '--no-warnings', '../kit/mocha.mjs'],
        shown: [...toolchain.shown, ...packages],
        environment: { ...toolchain.environment, NODE_ENV: 'test' },
        files: harness.files,
      },
      input: { files: testFiles, coverage },
    }),
  };
};
