// Who did it, apart from what was done: a sentence that ends in "by root" would say something else.

export function By({ by }: { readonly by: string | null }) {
  return by === null ? null : <span class="by"> · by {by}</span>;
}
