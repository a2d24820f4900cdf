# fish completion for pregao, as `pregao completion fish` prints it: the lines below come from the program's own tables.
function __pregao_so_far
    set -l tokens (commandline -opc)
    set -l skip 0
    for token in $tokens[2..-1]
        if test $skip = 1
            set skip 0
        else if string match -q -- '-*' $token
            __pregao_wants_value $token; and set skip 1
        else
            echo $token
        end
    end
end
# exactly these words so far
function __pregao_at
    test (string join ' ' -- (__pregao_so_far)) = "$argv[1]"
end
# these words, and perhaps more
function __pregao_in
    set -l so_far (string join ' ' -- (__pregao_so_far))
    test "$so_far" = "$argv[1]"; or string match -q -- "$argv[1] *" $so_far
end
complete -c pregao -f
@TABLES@
