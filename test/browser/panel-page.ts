import type { TestContext } from 'node:test';
import { build } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { bundles } from '../../esbuild.mjs';
import type { PanelRequest, PanelUpdate } from '../../src/protocol/panel.ts';
import { type ThemeName, vscodeThemes } from './vscode-themes.ts';

/** A stand-in for the address that VS Code serves a webview's files from. */
const source = 'http://panel.test';
const nonce = 'x7Ww9t0sYk2q';

/**
 * The content security policy that the extension sets for the panel: its own script by a nonce, its own style and font
 * by their address, and nothing else.
 */
const policy = `default-src 'none'; script-src 'nonce-${nonce}'; style-src ${source}; font-src ${source}`;

export interface PanelFiles {
  readonly script: string;
  readonly style: string;
  readonly font: Buffer;
}

export async function buildPanel(): Promise<PanelFiles> {
  const { outputFiles } = await build({ ...bundles['dist/panel.js'], write: false });
  const output = (end: string) => outputFiles?.find((file) => file.path.endsWith(end));
  return {
    script: output('panel.js')?.text ?? '',
    style: output('panel.css')?.text ?? '',
    font: Buffer.from(output('codicon.ttf')?.contents ?? []),
  };
}

export interface OpenPanel {
  readonly page: Page;
  /** Problems of the page: errors, violations of the content security policy, and unexpected requests. */
  readonly complaints: string[];
  /** The page's messages to the extension. */
  readonly requests: PanelRequest[];
  /** Sends a message to the page, as the extension does. */
  send(...updates: readonly PanelUpdate[]): Promise<void>;
  /** The page's requests of a kind. */
  asked<Kind extends PanelRequest['kind']>(kind: Kind): Extract<PanelRequest, { kind: Kind }>[];
  setTheme(theme: ThemeName): Promise<void>;
}

/** Opens the panel's page as a webview does, in a separate browser context, with a stand-in for VS Code's API. */
export async function openPanel(
  t: TestContext,
  browser: Browser,
  files: PanelFiles,
  {
    theme = 'dark',
    view,
    ...options
  }: { readonly theme?: ThemeName; readonly view?: string } & NonNullable<Parameters<Browser['newContext']>[0]> = {},
): Promise<OpenPanel> {
  const context = await browser.newContext({
    viewport: { width: 1180, height: 900 },
    reducedMotion: 'reduce',
    ...options,
  });
  t.after(() => context.close());
  const page = await context.newPage();
  const complaints: string[] = [];
  const requests: PanelRequest[] = [];
  page.on('console', (message) => {
    // The warning is caused by a test that reads a chart's pixels, not by the page.
    if (!message.text().includes('willReadFrequently')) complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.route('**/*', (route) => {
    const files_: Record<string, { body: string | Buffer; contentType: string }> = {
      '/': { body: html(theme, view), contentType: 'text/html' },
      '/panel.js': { body: files.script, contentType: 'text/javascript' },
      '/panel.css': { body: files.style, contentType: 'text/css' },
      '/codicon.ttf': { body: files.font, contentType: 'font/ttf' },
    };
    const { origin, pathname } = new URL(route.request().url());
    const found = origin === source ? files_[pathname] : undefined;
    if (found) return route.fulfill(found);
    if (pathname !== '/favicon.ico') complaints.push(`request: ${route.request().url()}`);
    return route.abort();
  });
  await page.exposeFunction('hearRequest', (request: PanelRequest) => void requests.push(request));
  // Provided by VS Code; the state survives a reload.
  await page.addInitScript(`globalThis.acquireVsCodeApi = () => ({
    postMessage: (message) => hearRequest(structuredClone(message)),
    getState: () => JSON.parse(sessionStorage.getItem('state') ?? 'null') ?? undefined,
    setState: (state) => sessionStorage.setItem('state', JSON.stringify(state)),
  })`);
  await page.goto(`${source}/`);
  const send = async (...updates: readonly PanelUpdate[]) => {
    for (const update of updates) await page.evaluate(`postMessage(${JSON.stringify(update)})`);
    await page.evaluate('new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))');
  };
  return {
    page,
    complaints,
    requests,
    send,
    asked: <Kind extends PanelRequest['kind']>(kind: Kind) =>
      requests.filter((request): request is Extract<PanelRequest, { kind: Kind }> => request.kind === kind),
    async setTheme(name) {
      await page.evaluate(`(() => {
        document.documentElement.setAttribute('style', '');
        for (const [name, value] of ${JSON.stringify(Object.entries(vscodeThemes[name].variables))})
          document.documentElement.style.setProperty(name, value);
        document.body.className = ${JSON.stringify(vscodeThemes[name].bodyClass)};
      })()`);
    },
  };
}

/** The page that the extension writes. VS Code adds the theme's variables and a class with the kind of theme. */
function html(theme: ThemeName, view: string | undefined): string {
  const { variables, bodyClass } = vscodeThemes[theme];
  const setTheme = `for (const [name, value] of ${JSON.stringify(Object.entries(variables))}) document.documentElement.style.setProperty(name, value);`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${source}/panel.css">
<title>Unmask</title>
<script nonce="${nonce}">${setTheme}</script>
</head>
<body class="${bodyClass}"${view === undefined ? '' : ` data-view="${view.replaceAll('&', '&amp;').replaceAll('"', '&quot;')}"`}>
<script nonce="${nonce}" src="${source}/panel.js"></script>
</body>
</html>
`;
}
