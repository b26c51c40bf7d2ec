/** A published package that carries its tests, at a pinned version. */
export interface Archive {
  readonly registry: 'npm' | 'pypi' | 'go' | 'crates';
  readonly name: string;
  readonly version: string;
}

/** A workspace that is laid out from published packages. */
export interface Repository {
  readonly name: string;
  /** The folder of each archive; `.`: the workspace itself. */
  readonly archives: Readonly<Record<string, Archive>>;
  /** Files that are added, such as the root of a monorepo. */
  readonly files?: Readonly<Record<string, string>>;
  /** Packages that npm installs, by folder: a runner, and what tests import. */
  readonly installs?: Readonly<Record<string, readonly string[]>>;
  /** Whether tests are found; otherwise the reason of the refusal. */
  readonly expected: 'accepted' | RegExp;
}

const npm = (name: string, version: string): Archive => ({ registry: 'npm', name, version });
const pypi = (name: string, version: string): Archive => ({ registry: 'pypi', name, version });
const go = (name: string, version: string): Archive => ({ registry: 'go', name, version });
const crates = (name: string, version: string): Archive => ({ registry: 'crates', name, version });

const alone = (archive: Archive, expected: Repository['expected'] = 'accepted', installs?: readonly string[]) => ({
  name: `${archive.name} ${archive.version}`,
  archives: { '.': archive },
  ...(installs ? { installs: { '.': installs } } : {}),
  expected,
});

/** Two packages with runners of their own, node:test and mocha, below the root of a monorepo. */
const monorepo = (name: string, files: Readonly<Record<string, string>>): Repository => ({
  name: `${name}: process-warning, flat`,
  archives: { 'packages/warning': npm('process-warning', '5.1.1'), 'packages/flat': npm('flat', '5.0.2') },
  files,
  installs: { 'packages/flat': ['mocha@11.7.1'] },
  expected: 'accepted',
});
const root = (script: string, rest: object = {}) =>
  JSON.stringify({ private: true, workspaces: ['packages/*'], scripts: { test: script }, ...rest });

/** In the order of the table. */
export const repositories: readonly Repository[] = [
  alone(npm('process-warning', '5.1.1')),
  alone(npm('@fastify/proxy-addr', '5.1.3'), 'accepted', []),
  alone(npm('@fastify/error', '4.2.1')),
  alone(npm('flat', '5.0.2'), 'accepted', ['mocha@11.7.1']),
  alone(npm('@fastify/deepmerge', '3.2.4'), /use tape, which is not supported; .*npx tape \{file\}/),
  alone(pypi('tomli', '2.2.1')),
  alone(pypi('iniconfig', '2.0.0')),
  alone(pypi('inflection', '0.5.1')),
  alone(pypi('more-itertools', '10.5.0')),
  alone(go('github.com/google/uuid', 'v1.6.0')),
  alone(go('github.com/mitchellh/go-wordwrap', 'v1.0.1')),
  alone(go('github.com/dustin/go-humanize', 'v1.0.1')),
  alone(crates('fnv', '1.0.7')),
  alone(crates('heck', '0.5.0')),
  monorepo('turbo', { 'package.json': root('turbo run test'), 'turbo.json': '{"tasks":{"test":{}}}' }),
  monorepo('nx', { 'package.json': root('nx run-many -t test'), 'nx.json': '{}' }),
  monorepo('pnpm', { 'package.json': root('pnpm -r test'), 'pnpm-workspace.yaml': 'packages: ["packages/*"]\n' }),
  monorepo('lerna', { 'package.json': root('lerna run test'), 'lerna.json': '{"version":"0.0.0"}' }),
];
