#compdef pregao
# zsh completion for pregao, as `pregao completion zsh` prints it: the tables below come from the program's own.
@TABLES@
_pregao()
{
	local so_far='' option='' answers word i
	local -a plain
	for ((i = 2; i < CURRENT; i++)); do
		word=${words[i]}
		if [[ -n $option ]]; then
			option=''
			continue
		fi
		case $word in
		--*=*) ;;
		-*) _pregao_wants_value "$word" && option=$word ;;
		*) so_far="${so_far:+$so_far }$word" ;;
		esac
	done
	if [[ -z $option && $PREFIX == --*=* ]]; then
		option=${PREFIX%%=*}
		compset -P '*='
	fi
	if [[ -n $option ]]; then
		answers=$(_pregao_values "$so_far" "$option")
	elif [[ $PREFIX == -* ]]; then
		answers=$(_pregao_options "$so_far")
	else
		answers=$(_pregao_words "$so_far")
	fi
	for word in ${=answers}; do
		case $word in
		@file) _files ;;
		@folder) _files -/ ;;
		*) plain+=("$word") ;;
		esac
	done
	(( $#plain )) && compadd -- $plain
}
# read by the completion system: answer; sourced by somebody: only register
if [[ ${funcstack[1]} == _pregao ]]; then
	_pregao "$@"
else
	compdef _pregao pregao
fi
