// Completion scripts for shells: each hands the words to the program itself, which knows what may follow.
import { FILES } from "./complete.ts";
import { COMPLETE } from "./run.ts";

export type Shell = "bash" | "zsh" | "fish";

export const SHELLS: Readonly<Record<Shell, (name: string) => string>> = { bash, zsh, fish };

/** Bash takes words apart at `:` and `=`, too, and replaces only the last part: the line is read anew, without that. */
function bash(name: string): string {
  return `# bash completion for ${name}
_${name}() {
  local line="\${COMP_LINE:0:COMP_POINT}" words cur tail sign found
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  cur="\${words[\${#words[@]} - 1]}"
  tail="$cur"
  for sign in : =; do [[ $COMP_WORDBREAKS == *$sign* ]] && tail="\${tail##*$sign}"; done
  COMPREPLY=()
  while IFS=$'\\t' read -r found _; do
    if [[ $found == ${FILES} ]]; then compopt -o default 2> /dev/null
    else COMPREPLY+=("\${found#"\${cur%"$tail"}"}")
    fi
  done < <("\${words[0]}" ${COMPLETE} "\${words[@]:1}" 2> /dev/null)
}
complete -F _${name} ${name}
`;
}

function zsh(name: string): string {
  return `#compdef ${name}
# zsh completion for ${name}
_${name}() {
  local -a lines found
  local line
  lines=("\${(@f)$("\${(Q)words[1]}" ${COMPLETE} "\${(@Q)words[2,CURRENT-1]}" "$PREFIX" 2> /dev/null)}")
  for line in "\${lines[@]}"; do
    if [[ "$line" == ${FILES}* ]]; then _files; return; fi
    [[ -n "$line" ]] && found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  _describe ${name} found
}
if [[ "$funcstack[1]" == _${name} ]]; then _${name} "$@"; else compdef _${name} ${name}; fi
`;
}

function fish(name: string): string {
  return `# fish completion for ${name}
function __${name}_complete
  set -l words (commandline -opc)
  set -l cur (commandline -ct)
  set -l found ($words[1] ${COMPLETE} $words[2..-1] "$cur" 2> /dev/null)
  if string match -q -- '${FILES}*' $found
    __fish_complete_path "$cur"
  else
    string join -- \\n $found
  end
end
complete -c ${name} -f -a '(__${name}_complete)'
`;
}
