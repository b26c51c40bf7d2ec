import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { findChromium } from './chromium.ts';

/** A system requirement of a suite, and the Debian package that provides it. */
interface Need {
  readonly what: string;
  readonly debian: string;
  present(): boolean;
}

const chromium: Need = { what: 'Chromium', debian: 'chromium', present: () => findChromium() !== null };
const fonts: Need = { what: 'a font', debian: 'fonts-dejavu-core', present: hasFont };
/** Requirements to build the native parts of code-server. */
const build: readonly Need[] = [
  { what: 'the Kerberos headers', debian: 'libkrb5-dev', present: () => process.platform !== 'linux' || hasKerberos() },
  { what: 'make', debian: 'make', present: () => onPath('make') },
  { what: 'a C++ compiler', debian: 'g++', present: () => onPath('g++') || onPath('clang++') },
  { what: 'Python 3', debian: 'python3', present: () => onPath('python3') },
];
/** The sandbox for generated code, and the languages of the tests that run in it. */
const sandbox: readonly Need[] = [
  { what: 'bubblewrap', debian: 'bubblewrap', present: () => process.platform !== 'linux' || onPath('bwrap') },
  { what: 'Python 3', debian: 'python3', present: () => onPath('python3') },
  { what: 'pytest', debian: 'python3-pytest', present: hasPytest },
];

export const needs = {
  browser: [chromium, fonts],
  vscode: [chromium, fonts, ...build],
  sandbox,
} satisfies Record<string, readonly Need[]>;

/**
 * Ensures that the system meets the requirements. Installs missing packages if this is possible without a prompt (as root
 * on Debian); otherwise throws an error that says what to install.
 */
export async function ensureOnSystem(needed: readonly Need[], log: (line: string) => void): Promise<void> {
  const missing = needed.filter((need) => !need.present());
  if (missing.length === 0) return;
  const packages = missing.map((need) => need.debian).join(' ');
  if (process.getuid?.() !== 0 || !onPath('apt-get')) {
    const what = missing.map((need) => need.what).join(', ');
    throw new Error(`These tests need ${what}: install it (on Debian and Ubuntu: apt-get install ${packages}).`);
  }
  log(`Installing ${packages}.`);
  await aptGet('update');
  await aptGet('install', '-y', '--no-install-recommends', ...missing.map((need) => need.debian));
}

async function aptGet(...args: string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  try {
    await promisify(execFile)('apt-get', ['-q', ...args], { env, maxBuffer: 64 << 20 });
  } catch (error) {
    const { message, stdout, stderr } = error as Error & { stdout?: string; stderr?: string };
    throw new Error(`apt-get ${args.join(' ')} failed: ${stderr || stdout || message}`);
  }
}

function onPath(program: string): boolean {
  return (process.env.PATH ?? '').split(path.delimiter).some((folder) => existsSync(path.join(folder, program)));
}

function hasPytest(): boolean {
  // Debian's `pytest-3` may belong to another Python than the one on PATH, but installing it again would not help.
  return (
    onPath('pytest') || spawnSync('python3', ['-c', 'import pytest']).status === 0 || existsSync('/usr/bin/pytest-3')
  );
}

function hasKerberos(): boolean {
  return (
    onPath('krb5-config') && ['/usr/include', '/usr/local/include'].some((folder) => existsSync(`${folder}/gssapi`))
  );
}

function hasFont(): boolean {
  if (process.platform !== 'linux') return true;
  const folders = ['/usr/share/fonts', '/usr/local/share/fonts'].filter((folder) => existsSync(folder));
  return folders.some((folder) =>
    readdirSync(folder, { recursive: true }).some((file) => /\.(ttf|otf|ttc)$/.test(`${file}`)),
  );
}
