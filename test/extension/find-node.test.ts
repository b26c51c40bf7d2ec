import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { findNodes } from '../../src/extension/find-node.ts';
import { UserError } from '../../src/platform/errors.ts';

const skip = process.platform === 'win32' ? 'the stand-ins are shell scripts' : false;

describe('finding a Node', { skip }, () => {
  let folder: string;

  /** A folder with a `node` that runs this shell script. */
  async function node(name: string, script: string): Promise<string> {
    await mkdir(path.join(folder, name));
    const file = path.join(folder, name, 'node');
    await writeFile(file, `#!/bin/sh\n${script}\n`);
    await chmod(file, 0o755);
    return file;
  }

  const places: Record<string, string> = {};
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'unmask-nodes-'));
    for (const version of ['18.20.8', '20.18.3', '20.19.0', '24.1.0']) {
      places[version] = await node(`node-${version}`, `echo ${version}`);
    }
    places.broken = await node('broken', 'echo no such option >&2; exit 9');
    places.mute = await node('mute', 'exit 0');
    await mkdir(path.join(folder, 'not-executable'));
    await writeFile(path.join(folder, 'not-executable', 'node'), '');
    await mkdir(path.join(folder, 'folder', 'node'), { recursive: true });
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const searchPath = (...files: string[]) => files.map((file) => path.dirname(file)).join(path.delimiter);
  const all = async (named: string, path: string) => {
    const found: (readonly [file: string, version: string])[] = [];
    for await (const { file, version } of findNodes(named, path)) found.push([file, version]);
    return found;
  };
  const own = [process.execPath, process.versions.node] as const;

  it("tries those on PATH from 20.19 on in order, then VS Code's own", async () => {
    const found = await all(
      '',
      searchPath(places['18.20.8']!, places['24.1.0']!, places['20.18.3']!, places['20.19.0']!),
    );
    assert.deepEqual(found, [[places['24.1.0'], '24.1.0'], [places['20.19.0'], '20.19.0'], own]);
  });

  it('skips programs that fail or print nothing, and folders that are empty, relative or repeated', async () => {
    const entries = [
      searchPath(places.broken!, places.mute!),
      path.join(folder, 'not-executable'),
      path.join(folder, 'folder'),
      path.join(folder, 'missing'),
      '',
      '.',
      'node-24.1.0',
      searchPath(places['20.19.0']!, places['20.19.0']!),
    ];
    assert.deepEqual(await all('', entries.join(path.delimiter)), [[places['20.19.0'], '20.19.0'], own]);
  });

  it("runs VS Code's own as a plain Node", async () => {
    const found = [];
    for await (const node of findNodes('', '')) found.push(node);
    assert.deepEqual(
      found.map(({ environment }) => environment),
      [{ ELECTRON_RUN_AS_NODE: '1' }],
    );
  });

  it('uses the configured one and no other', async () => {
    assert.deepEqual(await all(` ${places['24.1.0']} `, searchPath(places['20.19.0']!)), [
      [places['24.1.0'], '24.1.0'],
    ]);
  });

  for (const [what, name, says] of [
    ['is missing', 'missing', /is set to .*missing, which does not exist\. Correct or clear the setting\.$/],
    [
      'is too old',
      '20.18.3',
      /is set to .*, which is Node\.js 20\.18\.3\. Set it to Node\.js 20\.19 or newer, or clear it\.$/,
    ],
    ['fails', 'broken', /is set to .*, which does not run as Node\.js \(.*\)\. Correct or clear the setting\.$/s],
    ['is not a Node', 'mute', /which does not run as Node\.js \(it did not print a version\)/],
  ] as const) {
    it(`reports that the configured one ${what}`, async () => {
      await assert.rejects(all(places[name] ?? path.join(folder, name), ''), (error: Error) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, says);
        return true;
      });
    });
  }
});
