/** Exits with an error message if Node is older than `engines` in package.json requires. */
export function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  console.error(
    `Unmask needs Node.js 20.19 or newer, and this is ${process.versions.node}; install it from nodejs.org.`,
  );
  process.exit(1);
}
