import { commandLine, exit } from './command-line.ts';
import { ignoresHangUp, stopOnSignals } from './interruption.ts';

const stopped = stopOnSignals({ onHangUp: !ignoresHangUp() });
// A closed pipe (`unmask runs list | head`) is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) =>
  process.exit(error.code === 'EPIPE' ? exit.done : exit.failed),
);
// A closed stderr (`unmask eval 2>&1 >result | head`) does not stop a job.
process.stderr.on('error', () => undefined);

const code = await commandLine(process.argv.slice(2), {
  signal: stopped,
  isTerminal: { out: process.stdout.isTTY === true, err: process.stderr.isTTY === true },
  // Waits until the text is written, so that the exit does not cut it off.
  out: (text) => new Promise((resolve) => process.stdout.write(text, () => resolve())),
  err: (text) => process.stderr.write(text),
});
// An engine keeps its own threads running. All work is done, so the process exits.
process.exit(code);
