import { readdirSync, readFileSync } from 'node:fs';
import { UserError } from '../platform/errors.ts';
import { findProgram } from './programs.ts';

/** O_CLOEXEC as Linux has it on the machines that Node runs on. */
const closeOnExec = 0o2000000;

/**
 * Descriptors of this process that whatever it starts would inherit: those that it inherited itself, and those that a
 * native library opened without care. Node's own are none of them.
 */
export function inheritableDescriptors(): number[] {
  return readdirSync('/proc/self/fd')
    .map(Number)
    .filter((descriptor) => descriptor > 2 && isInheritable(descriptor));
}

function isInheritable(descriptor: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8'));
    return flags !== null && (Number.parseInt(flags[1] as string, 8) & closeOnExec) === 0;
  } catch {
    // Closed since: that of the listing itself.
    return false;
  }
}

/** What stands before a command so that it starts without some descriptors: nothing where there are none. */
export function without(descriptors: readonly number[]): string[] {
  if (descriptors.length === 0) return [];
  // A plain shell knows descriptors of one digit only.
  const bash = findProgram('bash');
  if (bash === null)
    throw new UserError(
      'This process has open files that the sandbox would inherit, and bash, which can close them, is not installed; install bash.',
    );
  const script = 'for descriptor in $1; do eval "exec $descriptor>&-"; done; shift; exec "$@"';
  // Told that its standard input is a socket, as Node's pipes are, bash would read the user's start-up file.
  return [bash, '--norc', '-c', script, 'bash', descriptors.join(' ')];
}
