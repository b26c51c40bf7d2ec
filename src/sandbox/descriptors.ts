import { readdirSync, readFileSync } from 'node:fs';
import { UserError } from '../platform/errors.ts';
import { findProgram } from './programs.ts';

/** Linux's O_CLOEXEC on the architectures that Node supports. */
const closeOnExec = 0o2000000;

/**
 * Descriptors of this process that a child would inherit: those that it inherited itself, and those that a native
 * library opened without O_CLOEXEC. Node's own are not among them.
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
    // The descriptor of the directory listing, which is closed by now.
    return false;
  }
}

/** A command prefix that closes some descriptors before the command starts; empty if there are none. */
export function closeDescriptors(descriptors: readonly number[]): string[] {
  if (descriptors.length === 0) return [];
  // A POSIX shell supports only descriptors of one digit.
  const bash = findProgram('bash');
  if (bash === null)
    throw new UserError(
      'This process has open files that the sandbox would inherit, and bash, which can close them, is not installed; install bash.',
    );
  const script = 'for descriptor in $1; do eval "exec $descriptor>&-"; done; shift; exec "$@"';
  // Without --norc, bash would read the user's start-up file, because its standard input is a socket, as Node's pipes
  // are.
  return [bash, '--norc', '-c', script, 'bash', descriptors.join(' ')];
}
