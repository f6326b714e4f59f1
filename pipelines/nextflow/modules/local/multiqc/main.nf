process MULTIQC {
    label 'process_single'

    input:
    path files

    output:
    path 'multiqc.html', emit: report
    path 'versions.yml', emit: versions

    script:
    def args = task.ext.args ?: ''
    """
    multiqc $args --no-version-check --no-ai --filename multiqc.html --no-data-dir .

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        multiqc: \$(multiqc --version | sed 's/.* //')
    END_VERSIONS
    """
}
