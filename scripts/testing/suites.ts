import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureCodeServer } from '../../test/vscode/code-server.ts';
import type { Outcome } from './outcome.ts';
import { runProgram } from './run-program.ts';
import { runTestFile } from './run-test-file.ts';
import { webgpuEnvironment } from './software-vulkan.ts';
import { ensureOnSystem, needs } from './system-packages.ts';

/** A check of the tree or a test file. It runs as a whole and is reported in one line. */
export interface Job {
  readonly name: string;
  /** Runs only if a pattern asks for its suite: `npm test -- rounding`. */
  readonly onRequest?: boolean;
  /** @param home the data home for it (`UNMASK_HOME`) */
  run(home: string): Promise<Outcome>;
}

/** Jobs with the same requirements. */
export interface Suite {
  readonly name: string;
  readonly jobs: readonly Job[];
  /** Maximum number of jobs at a time. */
  readonly concurrency: number;
  /** Installs what the jobs need; an error fails the suite. */
  prepare(log: (line: string) => void): Promise<void>;
}

/** Node reads these certificates whenever it starts, which takes longer than the rest of its start. Unit tests need no network. */
const withoutCertificates: NodeJS.ProcessEnv = { NODE_EXTRA_CA_CERTS: undefined };

/** All suites, in a fixed order; the names of test files are relative to the root, with forward slashes. */
export function findSuites(root: string): Suite[] {
  const all = testFiles(root, 'test');
  const isIn = (folder: string) => (file: string) => file.startsWith(`test/${folder}/`);
  const jobs = (belongs: (file: string) => boolean, env: () => NodeJS.ProcessEnv = () => ({})): Job[] =>
    all.filter(belongs).map((file) => ({ name: file, run: (home) => runTestFile(root, file, home, { env: env() }) }));
  let webgpu: NodeJS.ProcessEnv = {};
  // `workspaces` contains sample projects. Their tests are run by other tests.
  const separate = ['sandbox', 'golden', 'webgpu', 'browser', 'vscode', 'workspaces'];
  return [
    { name: 'checks', jobs: checks(root), concurrency: 2, prepare: async () => {} },
    {
      name: 'unit',
      jobs: longestFirst(
        jobs(
          (file) => !separate.some((folder) => isIn(folder)(file)),
          () => withoutCertificates,
        ),
      ),
      concurrency: 2,
      prepare: async () => {},
    },
    { name: 'rounding', jobs: roundingJobs(root, all), concurrency: 2, prepare: async () => {} },
    {
      name: 'sandbox',
      // One of the golden transcripts runs a workspace's tests, so it needs the sandbox.
      jobs: jobs((file) => isIn('sandbox')(file) || isIn('golden')(file)),
      concurrency: 1,
      prepare: (log) => ensureOnSystem(needs.sandbox, log),
    },
    {
      name: 'webgpu',
      jobs: jobs(isIn('webgpu'), () => webgpu),
      concurrency: 1,
      prepare: async (log) => {
        webgpu = await webgpuEnvironment(log);
      },
    },
    {
      name: 'browser',
      jobs: jobs(isIn('browser')),
      concurrency: 1,
      prepare: (log) => ensureOnSystem(needs.browser, log),
    },
    {
      name: 'vscode',
      jobs: jobs(isIn('vscode')),
      concurrency: 1,
      prepare: async (log) => {
        await ensureOnSystem(needs.vscode, log);
        await ensureCodeServer(log);
      },
    },
  ];
}

/** Files that take about a minute. They run first, so that the last job of all is a short one. */
const longFiles = ['test/tuning/objectives-on-tasks.test.ts', 'test/bench/bench.test.ts', 'test/cli/start.test.ts'];

const longestFirst = (jobs: readonly Job[]): Job[] => [
  ...jobs.filter(({ name }) => longFiles.includes(name)),
  ...jobs.filter(({ name }) => !longFiles.includes(name)),
];

/** Folders of tests that compare model outputs, or results that depend on them. */
const roundingFolders = [
  'cli',
  'diffusion',
  'evaluation',
  'exact',
  'infilling',
  'model',
  'runtime',
  'training',
  'tuning',
];
/** The rounding tests that every `npm test` runs, with the first seed. */
const roundingSample = ['diffusion/infill', 'evaluation/evaluation-run', 'model/transformer', 'tuning/methods'];

/** Test files that must also pass when products round differently (test/rounding), with three seeds. */
function roundingJobs(root: string, all: readonly string[]): Job[] {
  const files = all.filter((file) => roundingFolders.some((folder) => file.startsWith(`test/${folder}/`)));
  return [1, 2, 3].flatMap((seed) =>
    files.map((file) => {
      const name = `rounding ${seed}: ${file}`;
      return {
        name,
        onRequest: seed > 1 || !roundingSample.some((sample) => file === `test/${sample}.test.ts`),
        run: (home: string) => runTestFile(root, file, home, { name, env: otherRounding(root, seed) }),
      };
    }),
  );
}

/** An environment that loads test/rounding/other-rounding.ts into a test file and the processes that it starts. */
function otherRounding(root: string, seed: number): NodeJS.ProcessEnv {
  const module = pathToFileURL(path.join(root, 'test', 'rounding', 'other-rounding.ts')).href;
  return { UNMASK_ROUNDING: String(seed), NODE_OPTIONS: `--import ${import.meta.resolve('tsx')} --import ${module}` };
}

/** Tools that check the whole tree; each counts as one test. */
function checks(root: string): Job[] {
  const check = (name: string, script: string, ...args: string[]): Job => ({
    name,
    async run() {
      const program = path.join(root, 'node_modules', script);
      const ended = await runProgram(process.execPath, [program, ...args], { cwd: root, limit: 600 });
      const failed = ended.code === 0 ? 0 : 1;
      const details = ended.output || `It ended with ${ended.signal ?? `exit code ${ended.code}`}.`;
      return { name, passed: 1 - failed, failed, skipped: [], seconds: ended.seconds, details };
    },
  });
  const tsc = 'typescript/bin/tsc';
  const layers = ['src', 'webview', 'bench', 'scripts', '--config', '.dependency-cruiser.cjs'];
  return [
    check('lint (biome check)', '@biomejs/biome/bin/biome', 'check', '.'),
    check('types (tsc)', tsc, '--noEmit'),
    check('types of webview (tsc)', tsc, '--noEmit', '-p', 'webview'),
    check('layers (depcruise)', 'dependency-cruiser/bin/dependency-cruise.mjs', ...layers),
  ];
}

/** All `*.test.ts` in the folder and its subfolders. Node's test runner accepts no globs before version 21. */
function testFiles(root: string, folder: string): string[] {
  if (!existsSync(path.join(root, folder))) return [];
  return readdirSync(path.join(root, folder), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const file = `${folder}/${entry.name}`;
      if (entry.isDirectory()) return testFiles(root, file);
      return entry.name.endsWith('.test.ts') ? [file] : [];
    });
}
