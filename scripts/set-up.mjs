import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

// The first step of `npm start` and `npm test`, also in a fresh clone. It must not import packages, because they may not be
// installed yet.

export const root = fileURLToPath(new URL('..', import.meta.url));

/** The inputs of the bundles. If any of them changes, the bundles are out of date. */
const sources = [
  'src',
  'bench',
  'webview',
  'esbuild.mjs',
  'scripts/packaging/licences.mjs',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
];

/** Installs the packages and builds the bundles if they are missing or out of date. Exits the process on failure. */
export function setUp() {
  once('node_modules/.unmask-installed', ['package-lock.json'], 'Installing packages', () => npm(['ci']));
  once('dist/.unmask-built', sources, 'Building', () => run(process.execPath, ['esbuild.mjs']));
}

/**
 * Does the work unless the stamp matches the inputs. The stamp is removed before the work and written after it, so that
 * interrupted work is repeated.
 * @param {string} stamp
 * @param {string[]} inputs
 * @param {string} title
 * @param {() => void} work
 */
function once(stamp, inputs, title, work) {
  const file = path.join(root, stamp);
  const wanted = fingerprint(inputs);
  if (existsSync(file) && readFileSync(file, 'utf8') === wanted) return;
  rmSync(file, { force: true });
  const started = performance.now();
  console.error(`${title}…`);
  work();
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, wanted);
  console.error(`${title}: done in ${((performance.now() - started) / 1000).toFixed(1)} s.`);
}

/**
 * A hash of the files and the platform, because packages contain native code and two systems may share a folder.
 * @param {string[]} inputs
 */
export function fingerprint(inputs) {
  const hash = createHash('sha256').update(`${process.platform}-${process.arch}\n`);
  for (const file of inputs.flatMap(filesUnder)) {
    hash.update(`${file}\n`).update(readFileSync(path.join(root, file)));
  }
  return hash.digest('hex');
}

/**
 * The file itself, or all files in the folder and its subfolders, in an order independent of the file system.
 * @param {string} relative
 * @returns {string[]}
 */
function filesUnder(relative) {
  const absolute = path.join(root, relative);
  if (!existsSync(absolute)) return [];
  if (!statSync(absolute).isDirectory()) return [relative];
  return readdirSync(absolute)
    .sort()
    .flatMap((name) => filesUnder(path.join(relative, name)));
}

/** @param {string[]} args */
function npm(args) {
  // Within `npm start`, this is the npm that started this script; otherwise the one on PATH (a batch file on Windows).
  const script = process.env.npm_execpath;
  if (script?.endsWith('.js')) run(process.execPath, [script, ...args]);
  else run('npm', args, process.platform === 'win32');
}

/**
 * Runs a program. Its output goes to stderr, because a command may print JSON to stdout.
 * @param {string} command
 * @param {string[]} args
 */
function run(command, args, shell = false) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, shell, stdio: ['inherit', 2, 2] });
  if (status === 0) return;
  const what = [path.basename(command), ...args.map((arg) => path.basename(arg))].join(' ');
  console.error(`${what} failed (${error?.message ?? signal ?? `exit code ${status}`}); see above.`);
  process.exit(signal === 'SIGINT' || status === 130 ? 130 : 1);
}
