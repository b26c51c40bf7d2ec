import assert from 'node:assert/strict';
import { it } from 'node:test';
import { importedFiles } from '../../src/copies/near-files.ts';
import { importsOf } from '../../src/syntax/imports.ts';

const cases: readonly [language: string, text: string, imports: readonly string[]][] = [
  [
    'typescript',
    "import { a } from './a.js';\nexport { b } from '../b';\nexport const c = 1;\nconst d = require('d');\n",
    ['./a.js', '../b', 'd'],
  ],
  ['javascript', "const e = await import('./e.mjs');\nimport 'side';\n", ['./e.mjs', 'side']],
  ['python', 'import os.path\nfrom .models import User\n', ['os.path', '.models']],
  ['go', 'package a\nimport (\n\t"fmt"\n\t"example.com/b"\n)\n', ['fmt', 'example.com/b']],
  ['java', 'import java.util.List;\nclass A {}\n', ['java.util.List']],
  ['rust', 'use crate::model::User;\nmod other;\nmod own { }\n', ['crate::model::User', 'other']],
  ['plaintext', 'import x', []],
];
for (const [language, text, imports] of cases)
  it(`finds what ${language} imports`, async () => {
    assert.deepEqual((await importsOf(language, text)).sort(), [...imports].sort());
  });

it('finds the files that are imported', () => {
  const files = new Set([
    '/w/src/a.ts',
    '/w/src/b/index.js',
    '/w/app/models.py',
    '/w/app/pkg/__init__.py',
    '/w/src/model.rs',
  ]);
  const found = (file: string, ...imports: string[]) => [...importedFiles(file, imports, (name) => files.has(name))];
  assert.deepEqual(found('/w/src/c.ts', './a.js', './b', './nowhere', 'react'), ['/w/src/a.ts', '/w/src/b/index.js']);
  assert.deepEqual(found('/w/app/main.py', '.models', 'app.pkg.names'), ['/w/app/models.py', '/w/app/pkg/__init__.py']);
  assert.deepEqual(found('/w/src/main.rs', 'crate::model::User'), ['/w/src/model.rs']);
});
