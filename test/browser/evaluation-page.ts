import type { TestContext } from 'node:test';
import { build } from 'esbuild';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { bundles } from '../../esbuild.mjs';
import { pageHtml } from '../../src/extension/page-html.ts';
import type { EvaluationRequest, EvaluationUpdate } from '../../src/protocol/evaluation.ts';
import { type ThemeName, vscodeThemes } from './vscode-themes.ts';

/** A stand-in for the address that VS Code serves a webview's files from. */
const source = 'http://evaluation.test';

export interface PageBundle {
  readonly script: string;
  readonly style: string;
}

export async function buildPage(): Promise<PageBundle> {
  const { outputFiles } = await build({ ...bundles['dist/evaluation.js'], write: false });
  const output = (end: string) => outputFiles?.find((file) => file.path.endsWith(end))?.text ?? '';
  return { script: output('.js'), style: output('.css') };
}

export interface OpenPage {
  readonly page: Page;
  /** Problems of the page: errors, violations of the content security policy, and unexpected requests. */
  readonly complaints: string[];
  /** The page's messages to the extension. */
  readonly requests: EvaluationRequest[];
  /** Sends a message to the page, as the extension does. */
  send(update: EvaluationUpdate): Promise<void>;
  setTheme(theme: ThemeName): Promise<void>;
}

/** Opens the page as a webview does, in a separate browser context, with a stand-in for VS Code's API. */
export async function openPage(
  t: TestContext,
  browser: Browser,
  { script, style }: PageBundle,
  { theme = 'dark', ...options }: { readonly theme?: ThemeName } & BrowserContextOptions = {},
): Promise<OpenPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  t.after(() => context.close());
  const page = await context.newPage();
  const complaints: string[] = [];
  const requests: EvaluationRequest[] = [];
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  const html = pageHtml({
    title: 'Unmask: Evaluation',
    script: `${source}/evaluation.js`,
    style: `${source}/evaluation.css`,
    source,
    nonce: 'x7Ww9t0sYk2q',
  });
  const files: Record<string, { body: string; contentType: string }> = {
    '/': { body: html, contentType: 'text/html' },
    '/evaluation.js': { body: script, contentType: 'text/javascript' },
    '/evaluation.css': { body: style, contentType: 'text/css' },
  };
  await page.route('**/*', (route) => {
    const { origin, pathname } = new URL(route.request().url());
    const found = origin === source ? files[pathname] : undefined;
    if (found) return route.fulfill(found);
    if (pathname !== '/favicon.ico') complaints.push(`request: ${route.request().url()}`);
    return route.abort();
  });
  await page.exposeFunction('hearRequest', (request: EvaluationRequest) => void requests.push(request));
  // Provided by VS Code.
  await page.addInitScript(`globalThis.acquireVsCodeApi = () => ({
    postMessage: (message) => hearRequest(structuredClone(message)),
    getState: () => undefined,
    setState: (state) => { globalThis.keptState = state; },
  })`);
  await page.goto(`${source}/`);
  const setTheme = (name: ThemeName) =>
    page.evaluate(`(() => {
      document.documentElement.removeAttribute('style');
      for (const [name, value] of ${JSON.stringify(Object.entries(vscodeThemes[name].variables))})
        document.documentElement.style.setProperty(name, value);
      document.body.className = ${JSON.stringify(vscodeThemes[name].bodyClass)};
    })()`) as Promise<void>;
  await setTheme(theme);
  return {
    page,
    complaints,
    requests,
    setTheme,
    async send(update) {
      await page.evaluate(`postMessage(${JSON.stringify(update)})`);
      await page.evaluate('new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))');
    },
  };
}
