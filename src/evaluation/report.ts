import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { UserError } from '../platform/errors.ts';
import { readText, writeAtomic } from '../platform/files.ts';
import type { ReportData, ReportPage } from '../protocol/report.ts';
import { verdicts } from './verdict.ts';

/** The page's script and style, bundled from `webview/report.ts`. */
export interface ReportAssets {
  readonly script: string;
  readonly style: string;
}

/**
 * Writes a report as one self-contained HTML file. It opens from the disk, and its own policy blocks every
 * connection. Throws a `UserError` if the page's bundle was not built.
 */
export async function writeReport(file: string, data: ReportData, assets?: ReportAssets): Promise<void> {
  await writeAtomic(file, reportHtml(data, assets ?? (await loadReportAssets())));
}

/** Reads the page's bundle from the folder of the running program (its URL), or from `dist/` when run from source. */
export async function loadReportAssets(program: string = import.meta.url): Promise<ReportAssets> {
  const folders = ['./', '../../dist/'].map((folder) => fileURLToPath(new URL(folder, program)));
  const folder = folders.find((folder) => existsSync(`${folder}report.js`));
  if (folder === undefined) {
    throw new UserError(
      `The report's page is missing (no report.js in ${folders[0]}); build it with \`npm run build\`.`,
    );
  }
  const [script, style] = await Promise.all([readText(`${folder}report.js`), readText(`${folder}report.css`)]);
  // Browsers normalise line ends, and the hashes in the policy must match the normalised text.
  return { script: script.replaceAll('\r\n', '\n'), style: style.replaceAll('\r\n', '\n') };
}

/**
 * The report's HTML. Only this script and this style are allowed, by their hashes, so text that a model wrote cannot
 * run.
 */
export function reportHtml(data: ReportData, assets: ReportAssets): string {
  const page: ReportPage = { data, verdicts: data.headline === null ? [] : verdicts(data.headline) };
  const script = inlineScript(assets.script);
  if (/<\/style/i.test(assets.style)) throw new Error("The report's style holds an end tag.");
  const policy = `default-src 'none'; script-src '${hash(script)}'; style-src '${hash(assets.style)}'; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${escapeHtml(data.title)}</title>
<style>${assets.style}</style>
</head>
<body>
<main id="report"></main>
<noscript><h1>${escapeHtml(data.title)}</h1>${[...data.summary, ...page.verdicts, 'Curves, samples and denoising need JavaScript.'].map((text) => `<p>${escapeHtml(text)}</p>`).join('')}</noscript>
<script type="application/json" id="report-data">${inlineJson(page)}</script>
<script>${script}</script>
</body>
</html>
`;
}

/** JSON for embedding in HTML: without `<`, it can contain neither an end tag nor a comment. */
function inlineJson(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}

/** A bundle's text inside a script element. An end tag or a comment can only occur in one of its strings. */
function inlineScript(script: string): string {
  return script.replace(/<(?=\/script|!--)/gi, '\\x3c');
}

/** Escapes text for use in a page and in attributes. */
export function escapeHtml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (character) => entities[character] as string);
}

const hash = (text: string): string => `sha256-${createHash('sha256').update(text).digest('base64')}`;
