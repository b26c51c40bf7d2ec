import { parseArgs } from 'node:util';
import { Workbench } from './workbench.ts';

/** A suite without output for this long is considered to hang. */
const limit = 300_000;

/**
 * Runs an extension's test suite as `code --extensionDevelopmentPath=… --extensionTestsPath=… FOLDER` does, and returns
 * the exit code. The browser build of VS Code takes both paths as a payload of its address, and reports to two
 * functions that the page must define.
 */
export async function runAsCode(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { extensionDevelopmentPath: { type: 'string' }, extensionTestsPath: { type: 'string' } },
    allowPositionals: true,
    strict: false,
  });
  const { extensionDevelopmentPath: extension, extensionTestsPath: suite } = values;
  const [folder] = positionals;
  if (typeof extension !== 'string' || typeof suite !== 'string' || folder === undefined) {
    console.error('Give --extensionDevelopmentPath=DIR, --extensionTestsPath=FILE and a folder.');
    return 2;
  }

  const workbench = await Workbench.start({ options: ['--vscode-option', 'enable-smoke-test-driver'] });
  try {
    const remote = (file: string) => `vscode-remote://${workbench.address}${file}`;
    let timer: NodeJS.Timeout | undefined;
    const code = await new Promise<number>((resolve, reject) => {
      timer = setTimeout(() => {
        console.error(`The suite did not end within ${limit / 1000} s.`);
        console.error(workbench.log.slice(-4000));
        resolve(1);
      }, limit);
      workbench
        .open(
          folder,
          [
            ['extensionDevelopmentPath', remote(extension)],
            ['extensionTestsPath', remote(suite)],
          ],
          async (page) => {
            await page.exposeFunction('codeAutomationLog', (type: string, values: unknown[]) =>
              (type === 'error' || type === 'warn' ? console.error : console.log)(...values),
            );
            await page.exposeFunction('codeAutomationExit', resolve);
          },
        )
        .catch(reject);
    });
    clearTimeout(timer);
    return code;
  } finally {
    await workbench.close();
  }
}
