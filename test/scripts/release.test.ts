import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { hostTarget, targets } from '../../scripts/packaging/package-extension.ts';
import { changelogSection, makeRelease } from '../../scripts/packaging/release.ts';

const changelog = `# Changelog

## Unreleased

### Added

- Something new.

## 1.2.0 - 2026-11-30

### Fixed

- A bug.

## 1.1.0 - unreleased

- Nothing.
`;

describe('a release', () => {
  let root: string;
  before(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'unmask-release-'));
    await writeFile(path.join(root, 'CHANGELOG.md'), changelog);
    await writeFile(path.join(root, 'package.json'), '{"version":"1.2.0"}');
  });
  after(() => rm(root, { recursive: true }));

  it('has a package for every platform, valid checksums, and the notes of its version', async () => {
    const made: string[] = [];
    const options = {
      root,
      folder: path.join(root, 'release'),
      makePackage: async (target: string, file: string) => {
        made.push(target);
        await writeFile(file, `the package for ${target}`);
      },
    };
    await makeRelease(options);
    made.length = 0;
    const { version, packages, folder } = await makeRelease(options);
    assert.deepEqual([version, made], ['1.2.0', targets()]);
    assert.ok(made.includes(hostTarget));
    assert.deepEqual(
      packages,
      targets().map((target) => `unmask-${target}-1.2.0.vsix`),
    );
    assert.deepEqual((await readdir(folder)).sort(), ['SHA256SUMS', 'notes.md', ...packages].sort());
    assert.equal(await readFile(path.join(folder, 'notes.md'), 'utf8'), '### Fixed\n\n- A bug.\n');
    const sums = (await readFile(path.join(folder, 'SHA256SUMS'), 'utf8')).trimEnd().split('\n');
    assert.deepEqual(
      sums.map((line) => line.slice(66)),
      packages,
    );
    if (existsSync('/usr/bin/sha256sum'))
      execFileSync('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: folder, stdio: 'pipe' });
  });

  it('is rejected before anything is packaged if the changelog has no dated section', async () => {
    assert.throws(() => changelogSection(changelog, '1.3.0'), /no section for 1\.3\.0; rename "## Unreleased"/);
    assert.throws(() => changelogSection(changelog, '1.1.0'), /does not say when 1\.1\.0 was released/);
    await writeFile(path.join(root, 'package.json'), '{"version":"1.1.0"}');
    const makePackage = () => assert.fail('nothing is packaged');
    await assert.rejects(makeRelease({ root, folder: path.join(root, 'other'), makePackage }), /1\.1\.0/);
    assert.equal(existsSync(path.join(root, 'other')), false);
  });

  it('of this repository has a changelog in the expected format', async () => {
    const own = await readFile(path.join(import.meta.dirname, '..', '..', 'CHANGELOG.md'), 'utf8');
    const [unreleased, ...versions] = [...own.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
    assert.equal(unreleased, 'Unreleased');
    for (const heading of versions) assert.match(heading as string, /^\d+\.\d+\.\d+ - (\d{4}-\d\d-\d\d|unreleased)$/);
    for (const section of own.matchAll(/^### (.+)$/gm))
      assert.ok(['Added', 'Changed', 'Deprecated', 'Removed', 'Fixed', 'Security'].includes(section[1] as string));
  });
});
