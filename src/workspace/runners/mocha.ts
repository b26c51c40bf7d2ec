import { readHarness } from '../harness.ts';
import { nodeToolchain } from '../toolchains.ts';
import { installed, isPackageConfiguration, isTestData, type RunnerOf } from './runner.ts';

const isTest = (file: string): boolean =>
  /(\.|-|_)(test|spec)\.[cm]?js$/.test(file) || /(^|\/)(tests?|spec)\/.+\.[cm]?js$/.test(file);

/** Options with a value that decide how test files are loaded. */
const loadingOption = /(?:^|\s)(--ui|-u|--require|-r|--timeout|-t)(?:\s+|=)["']?([^\s"']+)/g;

/** Those options of the first call of mocha in the test scripts, as arguments. */
function optionsOf(scripts: string): string[] {
  const [call = ''] = /\b_?mocha\b[^&|;\n]*/.exec(scripts) ?? [];
  return [...call.matchAll(loadingOption)].flatMap(([, name, value]) => [name as string, value as string]);
}

/** The workspace's installed mocha, with its configuration and the options of its test script. */
export const mocha: RunnerOf = async ({ root, files, scripts, usesRunner }) => {
  if (!usesRunner('mocha')) return null;
  if (!files.some(isTest)) return null;
  const packages = installed(root, 'mocha');
  const toolchain = nodeToolchain();
  const harness = await readHarness('mocha.mjs', 'common.mjs');
  const options = optionsOf(scripts);
  return {
    name: 'mocha',
    stripTypes: false,
    isTest,
    isConfiguration: (file) =>
      isTest(file) || isPackageConfiguration(file) || isTestData(file) || /(^|\/)\.mocharc\.[^/]+$/.test(file),
    version: `${toolchain.version} ${harness.version} ${options.join(' ')}`,
    job: (testFiles, coverage) => ({
      job: {
        command: [toolchain.program, '--no-warnings', '../kit/mocha.mjs'],
        shown: [...toolchain.shown, ...packages],
        environment: { ...toolchain.environment, NODE_ENV: 'test' },
        files: harness.files,
      },
      input: { files: testFiles, coverage, options },
    }),
  };
};
