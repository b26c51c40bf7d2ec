import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { bundle } from '../cli/unmask.ts';

/** What a client says to the language server in the shortest session there is. */
const messages = [
  { jsonrpc: '2.0', id: 1, method: 'initialize', params: { processId: null, rootUri: null, capabilities: {} } },
  { jsonrpc: '2.0', method: 'initialized', params: {} },
  { jsonrpc: '2.0', id: 2, method: 'shutdown' },
  { jsonrpc: '2.0', method: 'exit' },
];

/** Runs `unmask serve` as it is shipped through that session; its answers, one message a line. */
export async function sessionOf(): Promise<{ readonly code: number | null; readonly text: string }> {
  const child = spawn(process.execPath, [bundle, 'serve'], { stdio: ['pipe', 'pipe', 'pipe'] });
  const [stdout, stderr] = [text(child.stdout), text(child.stderr)];
  for (const message of messages) {
    const body = JSON.stringify(message);
    child.stdin.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  }
  const [code] = (await once(child, 'close')) as [number | null];
  const answers = (await stdout)
    .split(/Content-Length: \d+\r\n\r\n/)
    .filter((body) => body !== '')
    .map((body) => JSON.stringify(JSON.parse(body), null, 2));
  return { code, text: `$ unmask serve\n${await stderr}${answers.join('\n')}\n[exit code ${code}]\n` };
}
