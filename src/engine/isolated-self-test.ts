import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Device } from './open-engine.ts';
import type { SelfTestReport } from './self-test.ts';

/** How to start a process that self-tests one device. The device's engine and name are appended to `arguments`. */
export interface SelfTestProcess {
  readonly command: string;
  readonly arguments: readonly string[];
}

/** Long enough to load a GPU's libraries and compile its kernels. After that, a driver counts as hung. */
const timeoutSeconds = 90;

/**
 * Self-tests a device in a separate process, so that a crash or a hang in a driver or in native code stays there. The
 * process is this program's own file with `self-test ENGINE DEVICE`, or, when run from source, the file next to this
 * one.
 */
export function isolatedSelfTest(
  { engine, device }: Device,
  { launch = ownProcess(), seconds = timeoutSeconds }: { launch?: SelfTestProcess; seconds?: number } = {},
): Promise<SelfTestReport> {
  const failed = (reason: string): SelfTestReport => ({ available: true, selfTest: 'failed', reason, gflops: null });
  return new Promise((resolve) => {
    const child = spawn(launch.command, [...launch.arguments, 'self-test', engine, device, '--json'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      windowsHide: true,
    });
    let output = '';
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, seconds * 1000);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.on('error', (error) => {
      clearTimeout(timer);
      resolve(failed(`the self-test could not be started (${error.message})`));
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (late) resolve(failed(`the self-test did not finish within ${seconds} s`));
      else if (signal) resolve(failed(`the self-test was ended by ${signal}`));
      else resolve(readReport(output) ?? failed(`the self-test ended with exit code ${code} and no result`));
    });
  });
}

function ownProcess(): SelfTestProcess {
  const here = fileURLToPath(import.meta.url);
  if (!here.endsWith('.ts')) return { command: process.execPath, arguments: [here] };
  const entry = fileURLToPath(new URL('./self-test-process.ts', import.meta.url));
  return { command: process.execPath, arguments: ['--import', import.meta.resolve('tsx'), entry] };
}

/** Reads the last line, because native libraries may print before it. */
function readReport(output: string): SelfTestReport | undefined {
  try {
    const report = JSON.parse(output.trim().split('\n').at(-1) as string) as Partial<SelfTestReport>;
    return report.selfTest === undefined ? undefined : (report as SelfTestReport);
  } catch {
    return undefined;
  }
}
