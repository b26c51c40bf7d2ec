interface Term {
  readonly value: number;
  readonly text: string;
  /** The outermost operator of the text; empty for a number. */
  readonly operator: '' | '+' | '-' | '*' | '/';
}

/** Much stricter than the published 1e-5, so that a model answer is exact. */
const tolerance = 1e-9;

/** An expression that uses each number once and equals the target, deterministic; null if there is none. */
export function solveCountdown(numbers: readonly number[], target: number): string | null {
  return search(
    numbers.map((value) => ({ value, text: String(value), operator: '' })),
    target,
  );
}

/** Combines two terms in every way and recurses with one term fewer. */
function search(terms: readonly Term[], target: number): string | null {
  if (terms.length === 1) return Math.abs(terms[0].value - target) < tolerance ? terms[0].text : null;
  for (let left = 0; left < terms.length; left++) {
    for (let right = left + 1; right < terms.length; right++) {
      const others = terms.filter((_, index) => index !== left && index !== right);
      for (const joined of combinations(terms[left], terms[right])) {
        const found = search([joined, ...others], target);
        if (found !== null) return found;
      }
    }
  }
  return null;
}

function combinations(first: Term, second: Term): Term[] {
  const joined = [
    join(first, '+', second),
    join(first, '-', second),
    join(second, '-', first),
    join(first, '*', second),
  ];
  if (second.value !== 0) joined.push(join(first, '/', second));
  if (first.value !== 0) joined.push(join(second, '/', first));
  return joined;
}

function join(left: Term, operator: '+' | '-' | '*' | '/', right: Term): Term {
  const values = { '+': left.value + right.value, '-': left.value - right.value, '*': left.value * right.value };
  const value = operator === '/' ? left.value / right.value : values[operator];
  // Brackets only if precedence requires them, to keep answers short.
  const bracketLeft = (operator === '*' || operator === '/') && isSum(left);
  const bracketRight = (operator !== '+' && isSum(right)) || (operator === '/' && right.operator !== '');
  return { value, text: `${inBrackets(left, bracketLeft)}${operator}${inBrackets(right, bracketRight)}`, operator };
}

function isSum(term: Term): boolean {
  return term.operator === '+' || term.operator === '-';
}

function inBrackets(term: Term, bracket: boolean): string {
  return bracket ? `(${term.text})` : term.text;
}
