// A long name that may be broken, but only where its parts end: after a dot, a slash or a hyphen.

export function Name({ text }: { readonly text: string }) {
  const parts = text.split(/(?<=[./:@-])/);
  return (
    <span class="parts">
      {parts.map((part, place) => (
        <span key={place}>
          {part}
          <wbr />
        </span>
      ))}
    </span>
  );
}
