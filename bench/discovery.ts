import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { discover } from '../src/workspace/discover.ts';
import { withOwnHome } from './own-home.ts';

const files = 20;
const functionsPerFile = 10;
/** Total seconds that the tests wait. */
const suiteSeconds = 2;

/** Seconds to find the functions of a workspace: 200 functions in 20 files, with tests that take two seconds. */
export const measureDiscovery = (signal: AbortSignal): Promise<number> =>
  withOwnHome(async (folder) => {
    const root = path.join(folder, 'workspace');
    for (const part of ['src', 'test']) await mkdir(path.join(root, part), { recursive: true });
    await writeFile(path.join(root, 'package.json'), '{ "type": "module", "scripts": { "test": "node --test" } }');
    for (let file = 0; file < files; file++) {
      const numbers = Array.from({ length: functionsPerFile }, (_, index) => file * functionsPerFile + index);
      await writeFile(
        path.join(root, 'src', `part${file}.ts`),
        numbers.map((n) => `export function add${n}(x: number): number {\n  return x + ${n};\n}\n`).join('\n'),
      );
      await writeFile(
        path.join(root, 'test', `part${file}.test.ts`),
        [
          "import assert from 'node:assert/strict';",
          "import { it } from 'node:test';",
          `import { ${numbers.map((n) => `add${n}`).join(', ')} } from '../src/part${file}.ts';`,
          ...numbers.map((n) => `it('adds ${n}', () => assert.equal(add${n}(1), ${n + 1}));`),
          `it('waits', () => new Promise((resolve) => setTimeout(resolve, ${(1000 * suiteSeconds) / files})));`,
        ].join('\n'),
      );
    }
    const begin = performance.now();
    const { tasks } = await discover(root, { signal });
    if (tasks.length !== files * functionsPerFile) throw new Error(`${tasks.length} functions were found`);
    return (performance.now() - begin) / 1000;
  });
