/** A workspace that is laid out from published packages that carry their tests, at pinned versions. */
export interface Repository {
  readonly name: string;
  /**
   * The package of each folder, as its registry names it: `pypi:NAME==VERSION`, `go:MODULE@VERSION`, `crate:NAME@VERSION`, otherwise
   * npm's `NAME@VERSION`. The folder `.` is the workspace itself.
   */
  readonly packages: Readonly<Record<string, string>>;
  /** Files that are added, such as the root of a monorepo. */
  readonly files?: Readonly<Record<string, string>>;
  /** Packages of npm that are installed, by folder: a runner, and what tests import. */
  readonly installs?: Readonly<Record<string, readonly string[]>>;
  /** Packages that pip installs in the virtual environment `.venv`; absent: there is none. */
  readonly python?: readonly string[];
  /** Whether tests are found; otherwise the reason of the refusal. */
  readonly expected: 'accepted' | RegExp;
}

const mocha = ['mocha@11.7.1'];
const pytest = 'pytest==8.4.1';

/** Two packages with runners of their own, node:test and mocha, below the root of a monorepo. */
const monorepo = (name: string, files: Readonly<Record<string, string>>): Repository => ({
  name: `${name}: process-warning, flat`,
  packages: { 'packages/warning': 'process-warning@5.1.1', 'packages/flat': 'flat@5.0.2' },
  files,
  installs: { 'packages/flat': mocha },
  expected: 'accepted',
});
const root = (script: string): string =>
  JSON.stringify({ private: true, workspaces: ['packages/*'], scripts: { test: script } });

/** In the order of the table. */
export const repositories: readonly Repository[] = [
  { name: 'process-warning 5.1.1', packages: { '.': 'process-warning@5.1.1' }, expected: 'accepted' },
  {
    name: '@fastify/proxy-addr 5.1.3',
    packages: { '.': '@fastify/proxy-addr@5.1.3' },
    // Its dependencies alone.
    installs: { '.': [] },
    expected: 'accepted',
  },
  { name: '@fastify/error 4.2.1', packages: { '.': '@fastify/error@4.2.1' }, expected: 'accepted' },
  { name: 'flat 5.0.2', packages: { '.': 'flat@5.0.2' }, installs: { '.': mocha }, expected: 'accepted' },
  {
    name: '@fastify/deepmerge 3.2.4',
    packages: { '.': '@fastify/deepmerge@3.2.4' },
    expected: /use tape, which is not supported; .*npx tape \{file\}/,
  },
  monorepo('turbo', { 'package.json': root('turbo run test'), 'turbo.json': '{"tasks":{"test":{}}}' }),
  monorepo('pnpm', { 'package.json': root('pnpm -r test'), 'pnpm-workspace.yaml': 'packages: ["packages/*"]\n' }),
  {
    name: 'humanize 4.12.3 (Python, src)',
    packages: { '.': 'pypi:humanize==4.12.3' },
    python: [pytest, 'freezegun==1.5.2'],
    expected: 'accepted',
  },
  {
    name: 'markupsafe 3.0.2 (Python, src)',
    packages: { '.': 'pypi:markupsafe==3.0.2' },
    python: [pytest],
    expected: 'accepted',
  },
  {
    name: 'inflection 0.5.1 (Python)',
    packages: { '.': 'pypi:inflection==0.5.1' },
    python: [pytest],
    expected: 'accepted',
  },
  { name: 'google/uuid 1.6.0 (Go)', packages: { '.': 'go:github.com/google/uuid@v1.6.0' }, expected: 'accepted' },
  {
    name: 'mattn/go-shellwords 1.0.12 (Go)',
    packages: { '.': 'go:github.com/mattn/go-shellwords@v1.0.12' },
    expected: 'accepted',
  },
  { name: 'heck 0.5.0 (Rust)', packages: { '.': 'crate:heck@0.5.0' }, expected: 'accepted' },
  { name: 'qs 6.14.0', packages: { '.': 'qs@6.14.0' }, expected: /use tape, which is not supported; .*npx tape/ },
];
