import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { runInNewContext } from 'node:vm';
import { loadReportAssets, reportHtml, writeReport } from '../../src/evaluation/report.ts';
import type { ReportPage } from '../../src/protocol/report.ts';
import { exampleReport } from '../browser/example.ts';

const assets = { script: 'const end = "</script><!-- x";\n', style: 'p { color: red }' };
const hostile = '</script><script>alert(1)</script><!-- <script> & "quoted" \u2028 \ud800';

test('the data can be read back from the page unchanged, including hostile strings', () => {
  const data = { ...exampleReport(), title: hostile, summary: [hostile] };
  const html = reportHtml(data, assets);
  const embedded = /<script type="application\/json" id="report-data">(.*?)<\/script>/s.exec(html)?.[1] ?? '';
  assert.deepEqual((JSON.parse(embedded) as ReportPage).data, data);
  assert.doesNotMatch(embedded, /</);
  assert.equal(html.match(/<script/gi)?.length, 2, 'only the data and the script');
  assert.equal(html.match(/<\/script/gi)?.length, 2);
  assert.doesNotMatch(html, /<!--/);
});

test('the policy allows the script and the style by hash and no connection', () => {
  const html = reportHtml(exampleReport(), assets);
  const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1] ?? '';
  const script = /<script>(.*?)<\/script>/s.exec(html)?.[1] ?? '';
  const style = /<style>(.*?)<\/style>/s.exec(html)?.[1] ?? '';
  const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  assert.match(policy, /^default-src 'none'; /);
  assert.ok(policy.includes(`script-src ${hash(script)};`));
  assert.ok(policy.includes(`style-src ${hash(style)};`));
  assert.doesNotMatch(policy, /unsafe|https?:|\*/);
  assert.equal(runInNewContext(`${script}; end`), '</script><!-- x');
});

test('the result can be read without JavaScript', () => {
  const html = reportHtml(exampleReport(), assets);
  const fallback = /<noscript>(.*?)<\/noscript>/s.exec(html)?.[1] ?? '';
  assert.match(fallback, /Cell accuracy rose from 86\.1 % to 95\.8 %/);
});

test('a report is written completely, and a missing bundle is reported with the command to build it', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'unmask-report-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeReport(path.join(folder, 'deep', 'report.html'), exampleReport(), assets);
  assert.match(await readFile(path.join(folder, 'deep', 'report.html'), 'utf8'), /<\/html>\n$/);
  const program = pathToFileURL(path.join(folder, 'unmask.mjs')).href;
  await assert.rejects(
    loadReportAssets(program),
    /page is missing \(no report\.js in .*\); build it with `npm run build`/,
  );
  await writeFile(path.join(folder, 'report.js'), 'a\r\nb');
  await assert.rejects(loadReportAssets(program), /report\.css does not exist/);
  await writeFile(path.join(folder, 'report.css'), '');
  assert.deepEqual(await loadReportAssets(program), { script: 'a\nb', style: '' });
});
